struct Included {
	1: string text
	1: i32 again
}
