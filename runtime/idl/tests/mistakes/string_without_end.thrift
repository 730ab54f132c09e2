const string A = "abc
const string B = "fine"
