package sparse

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"smt/device"
)

// matrix makes a target of the given shape.
func matrix(name string, out, in int) Matrix {
	return Matrix{Name: name, Out: out, In: in, Module: name[len(name)-6:]}
}

func TestChooseBlockSize(t *testing.T) {
	for _, c := range []struct {
		shapes [][2]int
		width  int
		want   int
		why    string
	}{
		{[][2]int{{4096, 4096}, {1024, 4096}}, 4096, 128, "block_size 128"},
		{[][2]int{{8192, 8192}, {1024, 8192}, {28672, 8192}}, 8192, 256, ""},
		{[][2]int{{2048, 2048}, {512, 2048}}, 2048, 64, "block_size 64"},
		{[][2]int{{576, 576}, {192, 576}, {1536, 576}}, 576, 16, "block_size 16"},
		{[][2]int{{1792, 1792}, {256, 1792}}, 1792, 32, "block_size 32"}, // 48 does not divide
		{[][2]int{{64, 64}, {32, 64}}, 64, 16, "block_size 16: the smallest, for a width of 64"},
		{[][2]int{{1000, 1000}, {500, 1000}}, 1600, 48, "block_size 48 with ragged edges"},
	} {
		var targets []Matrix
		for i, s := range c.shapes {
			targets = append(targets, matrix(fmt.Sprintf("%d.q_proj", i), s[0], s[1]))
		}
		got, why := ChooseBlockSize(0, targets, c.width)
		if got != c.want || !strings.HasPrefix(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%v: %d %q, expected %d %q", c.shapes, got, why, c.want, c.why)
		}
		if got, why := ChooseBlockSize(48, targets, c.width); got != 48 || why != "" {
			t.Errorf("%v: %d %q, expected the 48 that was asked for", c.shapes, got, why)
		}
	}
}

func TestBudget(t *testing.T) {
	targets := []Matrix{matrix("q_proj", 512, 512), matrix("v_proj", 256, 512)} // 6 blocks of 256
	for _, c := range []struct {
		budget Budget
		want   int
	}{
		{Budget{NumBlocks: 4}, 4}, {Budget{NumBlocks: 100}, 100}, {Budget{TrainableRatio: 0.01}, 1}, // never none
		{Budget{TrainableRatio: 0.25}, 3}, // 0.25 · 900000 / 65536 = 3.4
		{Budget{TargetRatio: 0.5}, 3}, {Budget{TargetRatio: 1}, 6},
	} {
		if got, err := c.budget.Blocks(256, 900000, targets); err != nil || got != c.want {
			t.Errorf("%+v: %d blocks, %v; expected %d", c.budget, got, err, c.want)
		}
	}
	// With ragged edges a block holds less than b²: V's are 192 × 256 and 192 × 64.
	ragged := []Matrix{matrix("q_proj", 576, 576), matrix("v_proj", 192, 576)} // 9 and 3 blocks, 36864 elements each in the mean
	for ratio, want := range map[float64]int{0.1: 2, 0.5: 12} {
		if got, err := (Budget{TrainableRatio: ratio}).Blocks(256, 900000, ragged); err != nil || got != want {
			t.Errorf("ragged: %g of 900000: %d blocks, %v; expected %d", ratio, got, err, want)
		}
	}
	if got, err := (Budget{TargetRatio: 1}).Blocks(256, 900000, ragged); err != nil || got != 12 {
		t.Errorf("ragged: all of the targets: %d blocks, %v; expected 12", got, err)
	}
	// LLaMA3-8B with the reference code's ratio: 0.84 % of all parameters are 1029 blocks of the attention's 12288.
	var llama []Matrix
	for range 32 {
		llama = append(llama, matrix("q_proj", 4096, 4096), matrix("k_proj", 1024, 4096), matrix("v_proj", 1024, 4096))
	}
	if got, _ := (Budget{TrainableRatio: 0.0084}).Blocks(256, 8030261248, llama); got != 1029 {
		t.Errorf("LLaMA3-8B: %d blocks, expected 1029", got)
	}
}

func TestSelectBreaksTiesByNameRowColumn(t *testing.T) {
	targets := []Matrix{matrix("b.v_proj", 32, 32), matrix("a.q_proj", 32, 32)}
	same := []float64{1, 1, 1, 1}
	s, err := Select(targets, [][]float64{same, same}, 16, Global, []Group{{Matrices: []int{0, 1}, Blocks: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Matrices[1].Blocks) != 4 || len(s.Matrices[0].Blocks) != 1 || s.Matrices[0].Blocks[0].Block != (device.Block{}) {
		t.Errorf("ties: %+v", s.Matrices)
	}
	for i, k := range s.Matrices[1].Blocks {
		if want := (device.Block{Row: int32(i / 2), Col: int32(i % 2)}); k.Block != want {
			t.Errorf("block %d is %v, expected %v", i, k.Block, want)
		}
	}
	if got := s.Share("v_proj"); got != 0.2 {
		t.Errorf("V's share %g, expected 0.2", got)
	}
}

func TestSelectGroupsAndStrategies(t *testing.T) {
	targets := []Matrix{matrix("0.q_proj", 32, 32), matrix("0.v_proj", 32, 16), matrix("0.up_proj", 64, 32)}
	scores := [][]float64{{1, 2, 3, 4}, {9, 8}, {50, 40, 30, 20, 10, 5, 4, 3}}
	attention, mlp := Group{"attention", []int{0, 1}, 3}, Group{"mlp", []int{2}, 2}
	count := func(s *Selection) string {
		return fmt.Sprint(len(s.Matrices[0].Blocks), len(s.Matrices[1].Blocks), len(s.Matrices[2].Blocks))
	}
	s, err := Select(targets, scores, 16, Global, []Group{attention, mlp})
	if err != nil || count(s) != "1 2 2" {
		t.Errorf("global: %s, %v", count(s), err)
	}
	s, err = Select(targets, scores, 16, PerMatrix, []Group{attention, mlp})
	if err != nil || count(s) != "2 1 2" {
		t.Errorf("per matrix: %s, %v", count(s), err)
	}
	for blocks, want := range map[int]string{9: "4 2 3", 11: "4 2 5", 14: "4 2 8", 20: "4 2 8"} { // q has 4 blocks and v 2
		s, err := Select(targets, scores, 16, PerMatrix, []Group{{Matrices: []int{0, 1, 2}, Blocks: blocks}})
		if err != nil || count(s) != want {
			t.Errorf("%d blocks per matrix: %s, %v; expected %s", blocks, count(s), err, want)
		}
	}
	if s.Matrices[0].Blocks[0].Block != (device.Block{Row: 1, Col: 1}) {
		t.Errorf("the best block of q is %v", s.Matrices[0].Blocks[0])
	}
	if _, err := Select(targets, scores, 16, "diagonal", nil); err == nil {
		t.Error("an unknown strategy is no error")
	}
}

// TestSpread compares the numbers of blocks with the matrices' sizes, and looks at how rows and columns fill: the best blocks all lie
// in one column, of which only one is taken before every other column that is still empty.
func TestSpread(t *testing.T) {
	targets := []Matrix{matrix("0.q_proj", 64, 64), matrix("0.v_proj", 32, 64), matrix("0.up_proj", 96, 64)}
	scores := make([][]float64, len(targets))
	for i, m := range targets {
		rows, cols := m.Grid(16)
		for k := range rows * cols {
			score := float64(k%7) / 10
			if k%cols == 1 {
				score += 100 // an outlier of the input
			}
			scores[i] = append(scores[i], score)
		}
	}
	group := []int{0, 1, 2}
	for _, c := range []struct {
		blocks int
		want   [3]int // of 16, 8 and 24
	}{{3, [3]int{1, 0, 2}}, {12, [3]int{4, 2, 6}}, {13, [3]int{4, 2, 7}}, {48, [3]int{16, 8, 24}}} {
		s, err := Select(targets, scores, 16, Spread, []Group{{Matrices: group, Blocks: c.blocks}})
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]int{len(s.Matrices[0].Blocks), len(s.Matrices[1].Blocks), len(s.Matrices[2].Blocks)}; got != c.want {
			t.Errorf("%d blocks: %v, expected %v", c.blocks, got, c.want)
		}
		for i, m := range s.Matrices {
			rows, cols := m.Grid(16)
			inRow, inCol, seen := make([]int, rows), make([]int, cols), map[device.Block]bool{}
			for _, k := range m.Blocks {
				inRow[k.Row]++
				inCol[k.Col]++
				if seen[k.Block] {
					t.Errorf("%d blocks: %s %v is selected twice", c.blocks, m.Name, k.Block)
				}
				seen[k.Block] = true
			}
			if n := len(m.Blocks); n > 0 && n <= min(rows, cols) && (slices.Max(inRow) > 1 || slices.Max(inCol) > 1) {
				t.Errorf("%d blocks: %s has rows %v and columns %v", c.blocks, m.Name, inRow, inCol)
			}
			if len(m.Blocks) > 0 && m.Blocks[0].Score < 100 {
				t.Errorf("%d blocks: %s: the first block is %+v, expected the best one", c.blocks, targets[i].Name, m.Blocks[0])
			}
		}
	}
}

// TestSpreadTies has fewer blocks than matrices of one size: those with the best blocks get them, not those named first.
func TestSpreadTies(t *testing.T) {
	targets := []Matrix{matrix("0.q_proj", 32, 32), matrix("1.q_proj", 32, 32), matrix("2.q_proj", 32, 32)}
	scores := [][]float64{{1, 1, 1, 1}, {0, 5, 0, 0}, {4, 0, 0, 0}}
	s, err := Select(targets, scores, 16, Spread, []Group{{Matrices: []int{0, 1, 2}, Blocks: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if got := [3]int{len(s.Matrices[0].Blocks), len(s.Matrices[1].Blocks), len(s.Matrices[2].Blocks)}; got != [3]int{0, 1, 1} {
		t.Errorf("got %v blocks, expected one in each of the last two", got)
	}
}

func TestControllerPhases(t *testing.T) {
	c := Controller{WarmupSteps: 3, TuningSteps: 5}
	for step, want := range []string{"warm-up 0", "warm-up 1", "warm-up 2", "tuning 0", "tuning 1"} {
		phase, n := c.Phase(step)
		if got := fmt.Sprint(phase, " ", n); got != want {
			t.Errorf("step %d: %s, expected %s", step, got, want)
		}
		if c.Switches(step) != (step == 3) {
			t.Errorf("step %d: wrong about the switch", step)
		}
	}
}

// TestRankingMemory ranks the blocks of 40 matrices and compares what is allocated with the candidates of one of them.
func TestRankingMemory(t *testing.T) {
	const matrices, side, b = 40, 1600, 16
	var targets []Matrix
	var scores [][]float64
	group := Group{Blocks: 10 * matrices}
	for i := range matrices {
		targets = append(targets, matrix(fmt.Sprintf("%d.q_proj", i), side, side))
		grid := make([]float64, side/b*side/b)
		for k := range grid {
			grid[k] = float64((k*7919 + i) % 10007)
		}
		scores = append(scores, grid)
		group.Matrices = append(group.Matrices, i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := Select(targets, scores, b, Spread, []Group{group})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if s.Blocks() != group.Blocks {
		t.Errorf("%d blocks, expected %d", s.Blocks(), group.Blocks)
	}
	one := uint64(len(scores[0])) * uint64(unsafe.Sizeof(candidate{}))
	if got := after.TotalAlloc - before.TotalAlloc; got > 3*one {
		t.Errorf("%d bytes allocated for %d matrices, expected at most three times the %d of one", got, matrices, one)
	}
}
