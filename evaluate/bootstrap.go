package evaluate

import (
	"math"
	"math/rand/v2"
)

// resamples is how many corpora are drawn for a standard error, which is then itself known to about 2 %.
const resamples = 1000

// resample is the bootstrap's standard error of a score of n rows: the standard deviation of the scores of 1000 corpora of n
// rows each, drawn from them with replacement. The seed is fixed. (Efron, Bootstrap methods, 1979; for BLEU: Koehn,
// Statistical significance tests for machine translation evaluation, EMNLP 2004)
func resample(n int, score func(rows []int) float64) float64 {
	if n < 2 {
		return 0
	}
	random := rand.New(rand.NewPCG(20240524, uint64(n)))
	rows := make([]int, n)
	// Welford's sums, which do not cancel.
	mean, squares := 0.0, 0.0
	for k := range resamples {
		for i := range rows {
			rows[i] = random.IntN(n)
		}
		s := score(rows)
		step := s - mean
		mean += step / float64(k+1)
		squares += step * (s - mean)
	}
	return math.Sqrt(squares / (resamples - 1))
}
