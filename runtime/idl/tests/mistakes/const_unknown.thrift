enum Color { RED, GREEN }
enum Shape { ROUND }
const Color A = RED
const Color B = Color.REDD
const Color C = Colour.BLACK
const bool D = True
const i32 E = LIMT
const i32 LIMIT = 1
const Color F = Shape.ROUND
const Color G = Shape.RED
const Color H = 7
enum Tone { RED = 0, GREEN = 5 }
const Color I = Tone.RED
const Color J = Tone.GREEN
