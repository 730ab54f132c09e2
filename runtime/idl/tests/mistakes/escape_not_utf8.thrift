const string A = "\xff"
const string B = "\xc3\xa9 \u00e9 \ud83d\ude00"
