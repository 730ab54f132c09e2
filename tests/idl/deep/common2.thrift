// Its name is that of another file.
struct Page { 1: string text }
