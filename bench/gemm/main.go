// Command gemm times the float32 products of smt's cpu device beside MKL and OpenBLAS, in turns in one process. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"smt/benchmark/peak"
	"smt/device"
	"smt/device/cpu"
)

// A direction is one of the three products of a linear layer W [N, K] with M tokens.
type direction struct {
	name           string
	transA, transB bool
	shape          func(m, n, k int) (rows, columns, depth int)
}

var directions = []direction{
	{"forward", false, true, func(m, n, k int) (int, int, int) { return m, n, k }}, // y = x Wᵀ
	{"dX", false, false, func(m, n, k int) (int, int, int) { return m, k, n }},     // dX = dY W
	{"dW", true, false, func(m, n, k int) (int, int, int) { return n, k, m }},      // dW = dYᵀ X
}

// A result is what the rounds of one case gave.
type result struct {
	Direction string             `json:"direction"`
	M         int                `json:"m"`
	N         int                `json:"n"`
	K         int                `json:"k"`
	Threads   int                `json:"threads"`
	Rounds    int                `json:"rounds"`
	GFLOPS    map[string]float64 `json:"gflops"` // medians
	Peak      float64            `json:"peak"`   // GFLOP/s of the multipliers, median of the same moments
	Ratio     map[string]float64 `json:"ratio"`  // smt to each library, medians
	Share     float64            `json:"share"`  // smt to the peak, median
}

func main() {
	mkl := flag.String("mkl", "", "path of libmkl_rt.so")
	openblas := flag.String("openblas", "", "path of libopenblas.so")
	rounds := flag.Int("rounds", 7, "rounds of each case that count")
	threadList := flag.String("threads", "1,2", "numbers of threads")
	tokens := flag.String("tokens", "256,1024,2048", "values of M")
	shapes := flag.String("shapes", "576x576,192x576,1536x576,1024x1024,2816x1024,2048x2048,8192x2048", "values of NxK")
	asJSON := flag.Bool("json", false, "print a JSON line for each case")
	flag.Parse()
	// MKL's threads wait for more work by spinning, for 200 ms unless told otherwise, which would take the cores from whoever
	// is measured next. 20 ms are enough between two calls, and less than the rest below. The library reads the variable from
	// the environment that the process began with.
	if os.Getenv("KMP_BLOCKTIME") == "" {
		self, err := os.Executable()
		if err == nil {
			err = syscall.Exec(self, os.Args, append(os.Environ(), "KMP_BLOCKTIME=20"))
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := run(*mkl, *openblas, *rounds, *threadList, *tokens, *shapes, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(mkl, openblas string, rounds int, threadList, tokens, shapes string, asJSON bool) error {
	var libraries []*blas
	for _, l := range []struct{ name, path, setThreads string }{
		{"mkl", mkl, "MKL_Set_Num_Threads"}, {"openblas", openblas, "openblas_set_num_threads"},
	} {
		if l.path == "" {
			continue
		}
		b, err := openBLAS(l.name, l.path, l.setThreads)
		if err != nil {
			return err
		}
		libraries = append(libraries, b)
	}
	var results []result
	for _, t := range numbers(threadList) {
		device := cpu.New(cpu.WithThreads(t))
		for _, l := range libraries {
			l.setThreads(int32(t))
		}
		for _, shape := range strings.Split(shapes, ",") {
			nk := numbers(strings.ReplaceAll(shape, "x", ","))
			for _, m := range numbers(tokens) {
				for _, d := range directions {
					r, err := measure(device, libraries, d, m, nk[0], nk[1], t, rounds)
					if err != nil {
						return err
					}
					results = append(results, r)
					if asJSON {
						if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
							return err
						}
					} else {
						fmt.Println(r.line(libraries))
					}
				}
			}
		}
	}
	if !asJSON {
		summarize(results, libraries)
	}
	return nil
}

func numbers(list string) (all []int) {
	for _, word := range strings.Split(list, ",") {
		n := 0
		fmt.Sscan(word, &n)
		all = append(all, n)
	}
	return all
}

// steadiness is how far the peak before and after a round may lie apart, and a round's peak below the best one seen: what
// deviates more was measured while something else ran.
const steadiness = 0.08

// Several threads that were asleep wake up on one core as often as not, and it takes the kernel many milliseconds to move
// them apart. So each stretch of calls begins with a rest, for the threads of the library before to fall asleep (they spin
// for some 25 ms), and with calls that do not count.
const (
	rest = 60 * time.Millisecond
	warm = 120 * time.Millisecond
)

// stretch is how long the calls that count take at least.
const stretch = 60 * time.Millisecond

// measure times one case. Each round runs every library once on cold operands of its own, between two measurements of the
// peak; rounds that were disturbed are thrown away.
func measure(dev *cpu.Device, libraries []*blas, d direction, m, n, k, threads, rounds int) (result, error) {
	rows, columns, depth := d.shape(m, n, k)
	r := result{Direction: d.name, M: m, N: n, K: k, Threads: threads, GFLOPS: map[string]float64{}, Ratio: map[string]float64{}}
	a, b, want := values(rows*depth, 1), values(depth*columns, 2), make([]float32, rows*columns)
	ta, tb := tensor(dev, a, rows, depth, d.transA), tensor(dev, b, depth, columns, d.transB)
	c := dev.New(rows, columns)
	ours := func() { dev.MatMul(c, ta, d.transA, tb, d.transB, false) }
	ours()
	for _, l := range libraries {
		l.multiply(want, a, b, rows, columns, depth, d.transA, d.transB)
		if err := compare(dev, c, want, depth); err != nil {
			return r, fmt.Errorf("gemm: %s %d %d %d beside %s: %w", d.name, m, n, k, l.name, err)
		}
	}
	work := 2 * float64(rows) * float64(columns) * float64(depth)
	rate := func(call func()) float64 {
		if threads > 1 {
			time.Sleep(rest)
			for began := time.Now(); time.Since(began) < warm; {
				call()
			}
		} else {
			call()
		}
		calls, began := 0.0, time.Now()
		for time.Since(began) < stretch {
			call()
			calls++
		}
		return work * calls / time.Since(began).Seconds() / 1e9
	}
	rates := map[string][]float64{}
	ratios := map[string][]float64{}
	var peaks, shares []float64
	best := 0.0
	for attempt := 0; len(peaks) < rounds && attempt < 6*rounds; attempt++ {
		before := peak.FLOPS(threads) / 1e9
		round := map[string]float64{"smt": rate(ours)}
		for _, l := range libraries {
			round[l.name] = rate(func() { l.multiply(want, a, b, rows, columns, depth, d.transA, d.transB) })
		}
		if threads > 1 {
			time.Sleep(rest)
		}
		after := peak.FLOPS(threads) / 1e9
		best = max(best, before, after)
		if last := attempt >= 5*rounds; !last && (math.Abs(before-after) > steadiness*best || min(before, after) < (1-steadiness)*best) {
			continue
		}
		for name, x := range round {
			rates[name] = append(rates[name], x)
			ratios[name] = append(ratios[name], round["smt"]/x)
		}
		peaks = append(peaks, (before+after)/2)
		shares = append(shares, 2*round["smt"]/(before+after))
	}
	for name := range rates {
		r.GFLOPS[name], r.Ratio[name] = quantile(rates[name], 0.5), quantile(ratios[name], 0.5)
	}
	r.Rounds, r.Peak, r.Share = len(peaks), quantile(peaks, 0.5), quantile(shares, 0.5)
	return r, nil
}

// values are pseudo-random numbers between -0.5 and 0.5.
func values(n int, seed uint64) []float32 {
	v := make([]float32, n)
	for i := range v {
		seed = seed*6364136223846793005 + 1442695040888963407
		v[i] = float32(seed>>40)/(1<<24) - 0.5
	}
	return v
}

// tensor puts a matrix [rows, columns], stored transposed if so said, on the device.
func tensor(dev *cpu.Device, v []float32, rows, columns int, transposed bool) device.Tensor {
	if transposed {
		rows, columns = columns, rows
	}
	t := dev.New(rows, columns)
	wide := make([]float64, len(v))
	for i, x := range v {
		wide[i] = float64(x)
	}
	dev.Write(t, wide)
	return t
}

// compare checks our product against a library's.
func compare(dev *cpu.Device, c device.Tensor, want []float32, depth int) error {
	got := make([]float64, c.Len())
	dev.Read(c, got)
	for i, x := range got {
		if difference := math.Abs(x - float64(want[i])); !(difference < 1e-6*float64(depth)) {
			return fmt.Errorf("element %d is %g, expected %g", i, x, want[i])
		}
	}
	return nil
}

func quantile(x []float64, q float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	x = slices.Sorted(slices.Values(x))
	return x[int(math.Round(q*float64(len(x)-1)))]
}

// line is a result for people.
func (r result) line(libraries []*blas) string {
	s := fmt.Sprintf("%d threads  %-7s M %4d  W %4d x %4d  peak %3.0f  smt %3.0f (%2.0f %%)", r.Threads, r.Direction, r.M, r.N, r.K, r.Peak,
		r.GFLOPS["smt"], 100*r.Share)
	for _, l := range libraries {
		s += fmt.Sprintf("  %s %3.0f (smt is %.2f)", l.name, r.GFLOPS[l.name], r.Ratio[l.name])
	}
	return s + fmt.Sprintf("  %d rounds", r.Rounds)
}

// summarize prints geometric means and the worst cases, for each number of threads and each direction: of the ratios to
// the libraries and of the share of the peak.
func summarize(results []result, libraries []*blas) {
	type yardstick struct {
		name  string
		value func(result) float64
	}
	yardsticks := []yardstick{{"peak", func(r result) float64 { return r.Share }}}
	for _, l := range libraries {
		yardsticks = append(yardsticks, yardstick{l.name, func(r result) float64 { return r.Ratio[l.name] }})
	}
	for len(results) > 0 {
		threads, n := results[0].Threads, 0
		for n < len(results) && results[n].Threads == threads {
			n++
		}
		for _, y := range yardsticks {
			for _, d := range append(directions, direction{name: "all"}) {
				logs, count, worst := 0.0, 0.0, result{}
				for _, r := range results[:n] {
					if d.name != "all" && r.Direction != d.name {
						continue
					}
					logs += math.Log(y.value(r))
					if count++; count == 1 || y.value(r) < y.value(worst) {
						worst = r
					}
				}
				fmt.Printf("%d threads, %-7s  smt/%-8s  geometric mean %.3f, lowest %.2f (%s, M %d, W %d x %d)\n", threads, d.name, y.name,
					math.Exp(logs/count), y.value(worst), worst.Direction, worst.M, worst.N, worst.K)
			}
		}
		results = results[n:]
	}
}
