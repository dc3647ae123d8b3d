package export

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"smt/hub"
)

// The adapters that this package knows, as peft_type of adapter_config.json names them.
const (
	KindSMT  = "SMT"
	KindLoRA = "LORA" // DoRA too, which PEFT takes for a LoRA with use_dora
)

const (
	// taskType is the only task that this program trains for.
	taskType = "CAUSAL_LM"
	// formatVersion counts the changes of the layout of SMT adapters that a reader must know of.
	formatVersion = 1
)

// adapterConfig is adapter_config.json of an SMT adapter. The first keys are PEFT's, the others are SMT's own.
type adapterConfig struct {
	PEFTType      string   `json:"peft_type"`
	BaseModel     string   `json:"base_model_name_or_path"`
	Revision      string   `json:"revision,omitempty"`
	TaskType      string   `json:"task_type"`
	InferenceMode bool     `json:"inference_mode"`
	TargetModules []string `json:"target_modules"`

	FormatVersion int            `json:"format_version"`
	BaseSHA256    string         `json:"base_sha256"`
	BlockSize     int            `json:"block_size"`
	NumBlocks     int            `json:"num_blocks"`
	BlockScore    string         `json:"block_score"`
	Matrices      []matrixConfig `json:"matrices"`
}

// matrixConfig is a matrix with blocks: its module's path, its dimensions [out, in], and how many blocks it has.
type matrixConfig struct {
	Name      string `json:"name"`
	Out       int    `json:"out_features"`
	In        int    `json:"in_features"`
	NumBlocks int    `json:"num_blocks"`
}

// config describes the adapter.
func (a *Adapter) config() adapterConfig {
	base, revision := hub.SplitRevision(a.BaseModel)
	c := adapterConfig{
		PEFTType: KindSMT, BaseModel: base, Revision: revision, TaskType: taskType, InferenceMode: true,
		FormatVersion: formatVersion, BaseSHA256: a.BaseSHA256, BlockSize: a.BlockSize, NumBlocks: a.NumBlocks(),
		BlockScore: a.Score,
	}
	var names []string
	for _, m := range a.Matrices {
		names = append(names, m.Name)
		c.Matrices = append(c.Matrices, matrixConfig{Name: m.Name, Out: m.Out, In: m.In, NumBlocks: len(m.Blocks)})
	}
	c.TargetModules = targetModules(names)
	return c
}

// joinRevision is the way back from PEFT's two keys for the base to the name on the hub that [hub.SplitRevision] took apart. A
// revision of anything else, which PEFT passes over, is left out.
func joinRevision(base, revision string) string {
	joined := base + "@" + revision
	if name, r := hub.SplitRevision(joined); name != base || r != revision || r == "" {
		return base
	}
	return joined
}

func readAdapterConfig(dir string) (*adapterConfig, error) {
	path := filepath.Join(dir, configName)
	data, err := readConfigFile(path)
	if err != nil {
		return nil, err
	}
	config, err := parseAdapterConfig(data)
	if err != nil {
		return nil, fmt.Errorf("export: %s: %w", path, err)
	}
	return config, nil
}

func parseAdapterConfig(data []byte) (*adapterConfig, error) {
	kind, err := parseKind(data)
	if err != nil {
		return nil, err
	}
	if kind != KindSMT {
		return nil, fmt.Errorf("peft_type is %q, expected %q", kind, KindSMT)
	}
	var c adapterConfig
	if err := decodeStrictly(data, &c); err != nil {
		return nil, err
	}
	return &c, c.check()
}

// check looks at what [Adapter.check] does not see again.
func (c *adapterConfig) check() error {
	if c.FormatVersion != formatVersion {
		return fmt.Errorf("format_version is %d, this program reads %d", c.FormatVersion, formatVersion)
	}
	if c.TaskType != taskType {
		return fmt.Errorf("task_type is %q, expected %q", c.TaskType, taskType)
	}
	if c.BlockSize < 1 || c.BlockSize > maxBlockSize {
		return fmt.Errorf("block_size is %d, expected 1 to %d", c.BlockSize, maxBlockSize)
	}
	var names []string
	for _, m := range c.Matrices {
		if m.NumBlocks < 1 {
			return fmt.Errorf("matrix %q: num_blocks is %d, expected at least 1", m.Name, m.NumBlocks)
		}
		names = append(names, m.Name)
	}
	if targets := targetModules(names); !slices.Equal(c.TargetModules, targets) {
		return fmt.Errorf("target_modules is %q, but the matrices are of %q", c.TargetModules, targets)
	}
	return nil
}

// Kind tells what adapter dir holds: [KindSMT] or [KindLoRA]; any other is an error that names it.
func Kind(dir string) (string, error) {
	path := filepath.Join(dir, configName)
	data, err := readConfigFile(path)
	if err != nil {
		return "", err
	}
	kind, err := parseKind(data)
	if err != nil {
		return "", fmt.Errorf("export: %s: %w", path, err)
	}
	if kind != KindSMT && kind != KindLoRA {
		return "", fmt.Errorf("export: %s: peft_type %.40q is not supported (supported: %s, %s)", path, kind, KindSMT, KindLoRA)
	}
	return kind, nil
}

func parseKind(data []byte) (string, error) {
	settings, err := parseSettings(data)
	if err != nil {
		return "", err
	}
	var kind string
	if err := settings.read("peft_type", &kind); err != nil {
		return "", err
	}
	if kind == "" {
		return "", errors.New("peft_type is missing: this is not the config of an adapter")
	}
	return kind, nil
}
