package experiment

// Studies are the experiments of smt study, in the order of its help.
var Studies = []Study{Plateau, Selection, BlockSize, Warmup, MLP, TaskStudy, BreakEven, Memory}
