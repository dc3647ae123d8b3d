package recipe

// A Reporter shows a run to whoever watches: a bar on a terminal, lines in a file, or JSON.
type Reporter interface {
	// Phase begins a stage of so many steps, of which done are behind it already.
	Phase(name string, steps, done int)
	// Step tells of a step that is finished, Validation of a validation loss.
	Step(Step)
	Validation(Validation)
	// Note tells one thing worth knowing.
	Note(format string, args ...any)
	// Table shows rows of figures under a title.
	Table(title string, header []string, rows [][]string)
	// Download tells how many bytes of a file have come; total is -1 if nobody knows.
	Download(file string, done, total int64)
}

// A Step is one line of metrics.jsonl.
type Step struct {
	Event        string  `json:"event"` // "step"
	Stage        string  `json:"stage"`
	Step         int     `json:"step"`       // of the run, from 1
	StageStep    int     `json:"stage_step"` // of the stage, from 1
	StageSteps   int     `json:"stage_steps"`
	Epoch        float64 `json:"epoch"`
	Loss         float64 `json:"loss"` // mean over the step's supervised tokens
	GradNorm     float64 `json:"grad_norm"`
	LearningRate float64 `json:"learning_rate"`
	Tokens       int     `json:"tokens"`
	Supervised   int     `json:"supervised_tokens"`
	Seconds      float64 `json:"seconds"`
	TokensPerSec float64 `json:"tokens_per_second"`
	PeakRSS      float64 `json:"peak_rss_mib"`
}

// A Validation is the line of a validation loss.
type Validation struct {
	Event   string  `json:"event"` // "eval"
	Step    int     `json:"step"`
	Loss    float64 `json:"eval_loss"`
	Best    bool    `json:"best"`
	Seconds float64 `json:"seconds"`
}

// A Summary is the last line of metrics.jsonl and what the table at the end shows.
type Summary struct {
	Event          string  `json:"event"` // "done"
	FinetuningType string  `json:"finetuning_type"`
	Steps          int     `json:"steps"`
	TrainSeconds   float64 `json:"train_seconds"`
	Tokens         int     `json:"tokens"`
	Supervised     int     `json:"supervised_tokens"`
	TokensPerSec   float64 `json:"tokens_per_second"`
	PeakRSS        float64 `json:"peak_rss_mib"`
	FinalLoss      float64 `json:"final_loss"`
	ValLoss        float64 `json:"eval_loss,omitempty"`
	BestValLoss    float64 `json:"best_eval_loss,omitempty"`
	BestStep       int     `json:"best_step,omitempty"`
	Trainable      int     `json:"trainable"`
	Params         int     `json:"params_total"`
	Blocks         int     `json:"blocks,omitempty"`
	BlockSize      int     `json:"block_size,omitempty"`
	ShareV         float64 `json:"share_v,omitempty"`
	Device         string  `json:"device"`
	Adapter        string  `json:"adapter,omitempty"`
	Model          string  `json:"model,omitempty"`
	OutputDir      string  `json:"output_dir"`
}
