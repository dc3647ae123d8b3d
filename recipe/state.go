package recipe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"smt/checkpoint"
	"smt/config"
	"smt/device"
	"smt/durable"
	"smt/sparse"
)

// save writes a checkpoint of the run as it is after the last step.
func (s *session) save(st *stage) (string, error) {
	if st.optimizer != nil {
		s.state.Updates = st.optimizer.Steps()
	}
	if st.name == stageWarmup {
		s.state.Gathered = s.state.StageStep
	}
	if err := s.metrics.Sync(); err != nil {
		return "", err
	}
	path, err := checkpoint.Save(s.path("checkpoints"), s.state.Step, s.state, s.device, st.stateTensors(), s.recipe.SaveTotalLimit)
	if err == nil {
		s.reporter.Note("saved %s", path)
	}
	return path, err
}

// stateTensors is all of a stage's state that lives on the device.
func (st *stage) stateTensors() []checkpoint.Tensor {
	all := append([]checkpoint.Tensor{}, st.tensors...)
	if st.optimizer == nil {
		return all
	}
	for _, t := range st.optimizer.Tensors() {
		if st.name == stageTuning || st.name == stageTraining {
			all = append(all, checkpoint.Tensor{Name: "value." + t.Name, Tensor: t.Value})
		}
		all = append(all, checkpoint.Tensor{Name: "moment1." + t.Name, Tensor: t.Moment1}, checkpoint.Tensor{Name: "moment2." + t.Name, Tensor: t.Moment2})
	}
	return all
}

// restore brings a stage to where the checkpoint left it, if the run goes on from one made in this stage.
func (s *session) restore(st *stage) error {
	if s.resume == "" || s.state.Stage != st.name {
		return nil
	}
	if err := checkpoint.ReadTensors(s.resume, s.device, st.stateTensors()); err != nil {
		return err
	}
	if st.optimizer != nil {
		st.optimizer.SetSteps(s.state.Updates)
	}
	s.resume = ""
	return nil
}

// saveBest keeps the trained values of the lowest validation loss so far.
func (s *session) saveBest(st *stage) error {
	_, err := checkpoint.Save(s.path("best"), s.state.Step, s.state, s.device, st.values(), 1)
	return err
}

// loadBest goes back to the values of the lowest validation loss, if the recipe wants them.
func (s *session) loadBest(st *stage) error {
	if !s.recipe.LoadBestModelAtEnd || s.state.Best == nil || s.state.Best.Step == s.state.Step {
		return nil
	}
	s.reporter.Note("taking the values of step %d, whose validation loss %.4f was the lowest", s.state.Best.Step, s.state.Best.Loss)
	return checkpoint.ReadTensors(s.bestPath(), s.device, st.values())
}

// bestPath is the checkpoint of the lowest validation loss so far.
func (s *session) bestPath() string {
	return filepath.Join(s.path("best"), checkpoint.Name(s.state.Best.Step))
}

// bringBest sees to it, before a run goes on, that the values which load_best_model_at_end may want in the end are there. Those of a
// run in another directory, beside its checkpoints, are copied.
func (s *session) bringBest() error {
	if !s.recipe.LoadBestModelAtEnd || s.state.Best == nil {
		return nil
	}
	path := s.bestPath()
	missing := durable.Verify(path)
	if missing == nil {
		return nil
	}
	beside := filepath.Join(filepath.Dir(filepath.Dir(s.resume)), "best", filepath.Base(path))
	if err := durable.Verify(beside); err != nil {
		return fmt.Errorf("recipe: load_best_model_at_end: the values of step %d, whose validation loss %.4f was the lowest, are not there: %v; %v; go on with load_best_model_at_end false to take those of the last step",
			s.state.Best.Step, s.state.Best.Loss, missing, err)
	}
	d, err := durable.NewDir(path, false)
	if err != nil {
		return err
	}
	defer d.Discard()
	if err := os.CopyFS(d.Path(), os.DirFS(beside)); err != nil {
		return fmt.Errorf("recipe: load_best_model_at_end: %w", err)
	}
	return d.Commit()
}

// values are the trained tensors alone.
func (st *stage) values() []checkpoint.Tensor {
	var all []checkpoint.Tensor
	for _, t := range st.optimizer.Tensors() {
		all = append(all, checkpoint.Tensor{Name: "value." + t.Name, Tensor: t.Value})
	}
	return all
}

// recipeHash identifies what must be equal for a resumed run to be the same run. Where results go, where the rows lie (their digest
// is compared, too), how often steps are logged or saved, which step is taken in the end, and the number of threads do not matter.
func recipeHash(r config.Recipe) string {
	r.OutputDir, r.OverwriteOutputDir, r.ResumeFromCheckpoint = "", false, ""
	r.Dataset, r.EvalDataset = nil, nil
	r.LoggingSteps, r.LogFormat, r.SaveSteps, r.SaveTotalLimit, r.Threads, r.Merge = 0, "", 0, 0, 0, false
	r.LoadBestModelAtEnd = false
	sum := sha256.Sum256(r.Resolved())
	return hex.EncodeToString(sum[:])
}

// selectionFile is selection.json, and the form in which a checkpoint keeps the selection.
type selectionFile struct {
	BlockSize int              `json:"block_size"`
	Score     sparse.Score     `json:"block_score"`
	Strategy  sparse.Strategy  `json:"selection"`
	Steps     int              `json:"warmup_steps"`
	NumBlocks int              `json:"num_blocks"`
	Matrices  []selectedMatrix `json:"matrices"`
}

// selectedMatrix lists the blocks of one matrix, by descending score.
type selectedMatrix struct {
	Name   string     `json:"name"`
	Layer  int        `json:"layer"`
	Module string     `json:"module"`
	Out    int        `json:"out"`
	In     int        `json:"in"`
	Blocks [][2]int32 `json:"blocks"` // row, column
	Scores []float64  `json:"scores"`
}

// newSelectionFile turns a selection into what is stored of it.
func newSelectionFile(s *sparse.Selection) *selectionFile {
	f := &selectionFile{BlockSize: s.BlockSize, Score: s.Score, Strategy: s.Strategy, Steps: s.Steps, NumBlocks: s.Blocks()}
	for _, m := range s.Matrices {
		e := selectedMatrix{Name: m.Name, Layer: m.Layer, Module: m.Module, Out: m.Out, In: m.In, Blocks: [][2]int32{}, Scores: []float64{}}
		for _, k := range m.Blocks {
			e.Blocks = append(e.Blocks, [2]int32{k.Row, k.Col})
			e.Scores = append(e.Scores, k.Score)
		}
		f.Matrices = append(f.Matrices, e)
	}
	return f
}

// selection is the way back.
func (f *selectionFile) selection() *sparse.Selection {
	s := &sparse.Selection{BlockSize: f.BlockSize, Score: f.Score, Strategy: f.Strategy, Steps: f.Steps}
	for _, e := range f.Matrices {
		m := sparse.MatrixSelection{Matrix: sparse.Matrix{Name: e.Name, Layer: e.Layer, Module: e.Module, Out: e.Out, In: e.In}}
		for i, k := range e.Blocks {
			m.Blocks = append(m.Blocks, sparse.ScoredBlock{Block: device.Block{Row: k[0], Col: k[1]}, Score: e.Scores[i]})
		}
		s.Matrices = append(s.Matrices, m)
	}
	return s
}
