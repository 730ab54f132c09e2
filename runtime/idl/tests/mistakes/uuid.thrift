struct A { 1: uuid a, 2: list<uuid> b }
