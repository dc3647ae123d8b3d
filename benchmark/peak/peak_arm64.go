package peak

//go:noescape
func fmaNEON(n int)

// fastest is the loop over NEON's vectors, which every arm64 processor has.
func fastest() loop { return loop{fmaNEON, 24 * 4 * 2} }
