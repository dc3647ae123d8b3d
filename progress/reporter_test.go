package progress

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vbauerster/mpb/v8"
)

// A clock goes on by a second each time a step is told.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// tell runs a small run: tokenizing, then a training phase that resumes at step 3 of 12.
func tell(r Reporter, c *clock) {
	r.Note("two lines\nof text\n")
	r.Phase("tokenizing", 20)
	for i := 1; i <= 20; i++ {
		c.at = c.at.Add(time.Second)
		r.Step(StepInfo{Step: i})
	}
	r.Phase("tuning", 12)
	for i := 3; i <= 9; i++ {
		c.at = c.at.Add(time.Second)
		r.Step(StepInfo{
			Step: i, Epoch: 0.25, Training: true, Loss: 2.5, GradNorm: 0.123456, LearningRate: 4.5e-5, TokensPerSecond: 12345.6,
			PeakMiB: 1536, Validated: i == 7, ValidationLoss: 2.25,
		})
	}
	r.Table("Blocks", []string{"module", "share"}, [][]string{{"q_proj", "6.0%"}, {"v_proj", "94.0%"}})
	r.Phase("merging", 0)
	r.Step(StepInfo{Step: 1})
	r.Close()
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1e9, 0)}
	r := New(Options{Out: &out, LogEvery: 4}).(*plain)
	r.now = c.now
	tell(r, c)
	want := `two lines
of text
tokenizing ...
tokenizing 5/20  15s left
tokenizing 10/20  10s left
tokenizing 15/20  5s left
tokenizing 20/20
tuning ...
tuning 4/12  epoch 0.25  loss 2.5000  grad 0.123  lr 4.5e-05  12,346 tok/s  peak 1.50 GiB  8s left
tuning 7/12  epoch 0.25  loss 2.5000  val 2.2500  grad 0.123  lr 4.5e-05  12,346 tok/s  peak 1.50 GiB  5s left
tuning 8/12  epoch 0.25  loss 2.5000  grad 0.123  lr 4.5e-05  12,346 tok/s  peak 1.50 GiB  4s left

Blocks
module  share
------  -----
q_proj   6.0%
v_proj  94.0%

merging ...
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(1e9, 0)}
	r := New(Options{Out: &out, JSON: true, Terminal: true, LogEvery: 10}).(*jsonLines)
	r.now = c.now
	tell(r, c)
	r.Step(StepInfo{Step: 10, Training: true, Loss: math.NaN(), GradNorm: math.Inf(1)})
	want := `{"event":"note","text":"two lines\nof text\n"}
{"event":"phase","phase":"tokenizing","total":20}
{"event":"step","phase":"tokenizing","step":5,"total":20,"seconds_left":15}
{"event":"step","phase":"tokenizing","step":10,"total":20,"seconds_left":10}
{"event":"step","phase":"tokenizing","step":15,"total":20,"seconds_left":5}
{"event":"step","phase":"tokenizing","step":20,"total":20}
{"event":"phase","phase":"tuning","total":12}
{"event":"step","phase":"tuning","step":7,"total":12,"epoch":0.25,"loss":2.5,"eval_loss":2.25,"grad_norm":0.123456,"learning_rate":0.000045,"tokens_per_second":12345.6,"peak_rss_mib":1536,"seconds_left":5}
{"event":"table","title":"Blocks","header":["module","share"],"rows":[["q_proj","6.0%"],["v_proj","94.0%"]]}
{"event":"phase","phase":"merging"}
{"event":"step","phase":"merging","step":10,"loss":null,"grad_norm":null,"learning_rate":0}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// A lockedBuffer may be written by the goroutine that draws.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func TestTerminal(t *testing.T) {
	var out lockedBuffer
	c := &clock{time.Unix(1e9, 0)}
	r := New(Options{Out: &out, Terminal: true}).(*terminal)
	r.now = c.now
	r.options = []mpb.ContainerOption{mpb.ForceTTY(), mpb.WithWidth(80), mpb.WithRefreshRate(time.Millisecond)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tell(r, c)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the bar does not end")
	}
	text := out.String()
	for _, want := range []string{"two lines\nof text\n", "tokenizing", "20/20 [==", "tuning", "Blocks\nmodule  share\n", "9/12 [==", "3s left", "loss 2.5000", "merging"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.LastIndex(text, "tuning") > strings.LastIndex(text, "merging") {
		t.Error("the last phase should be drawn last")
	}
	// Nothing may be drawn after Close, and what comes late must do no harm.
	r.Step(StepInfo{Step: 2})
	r.Note("late")
	if !strings.HasSuffix(out.String(), "late\n") {
		t.Error("a note after the last bar is lost")
	}
}

// TestInterruptedPhase ends bars that are not complete, as Ctrl-C does, and draws from several goroutines.
func TestInterruptedPhase(t *testing.T) {
	for _, o := range []Options{{Terminal: true}, {JSON: true}, {}} {
		o.Out = &lockedBuffer{}
		r := New(o)
		r.Phase("warm-up", 1000)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i := range 50 {
					r.Step(StepInfo{Step: i, Training: true})
					r.Note("n")
				}
			})
		}
		all.Wait()
		r.Phase("again", 10)
		r.Close()
	}
}

func TestLeft(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	cad := newCadence(0)
	cad.now = c.now
	cad.begin(100)
	if _, ok := cad.left(0); ok {
		t.Error("before the first step nothing is known")
	}
	c.at = c.at.Add(10 * time.Second)
	cad.step(51)
	if left, ok := cad.left(51); !ok || left != 490*time.Second {
		t.Errorf("got %v, want 490s", left)
	}
	if _, ok := cad.left(100); ok {
		t.Error("nothing is left of a complete phase")
	}
}

func TestFormat(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59400 * time.Millisecond: "59s", 59600 * time.Millisecond: "1m00s", 200 * time.Second: "3m20s",
		125 * time.Minute: "2h05m", 28 * time.Hour: "1d04h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000", -100: "-100"} {
		if got := groupThousands(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{null, file, &bytes.Buffer{}} {
		if IsTerminal(w) {
			t.Errorf("%T is taken for a terminal", w)
		}
	}
}
