package export

import (
	"encoding/json"
	"fmt"
	"slices"

	"smt/hub"
)

// lowRankConfig is what WriteLowRank puts into adapter_config.json; PEFT takes its defaults for all other keys.
type lowRankConfig struct {
	PEFTType      string         `json:"peft_type"`
	BaseModel     string         `json:"base_model_name_or_path"`
	Revision      string         `json:"revision,omitempty"`
	TaskType      string         `json:"task_type"`
	InferenceMode bool           `json:"inference_mode"`
	Rank          int            `json:"r"`
	Alpha         float64        `json:"lora_alpha"`
	Dropout       float64        `json:"lora_dropout"`
	TargetModules []string       `json:"target_modules"`
	Bias          string         `json:"bias"`
	FanInFanOut   bool           `json:"fan_in_fan_out"`
	InitWeights   bool           `json:"init_lora_weights"`
	UseRSLora     bool           `json:"use_rslora"`
	UseDoRA       bool           `json:"use_dora"`
	ModulesToSave []string       `json:"modules_to_save"`
	RankPattern   map[string]int `json:"rank_pattern"`
	AlphaPattern  map[string]int `json:"alpha_pattern"`
}

func (l *LowRank) config() lowRankConfig {
	base, revision := hub.SplitRevision(l.BaseModel)
	return lowRankConfig{
		PEFTType: KindLoRA, BaseModel: base, Revision: revision, TaskType: taskType, InferenceMode: true,
		Rank: l.Rank, Alpha: l.Alpha, TargetModules: l.TargetModules, Bias: "none", InitWeights: true,
		UseRSLora: l.RSLora, UseDoRA: l.DoRA, RankPattern: map[string]int{}, AlphaPattern: map[string]int{},
	}
}

// harmlessKeys are keys of PEFT that concern training, or where an adapter comes from, but not what it computes. Which
// modules have an adapter is told by the tensors.
var harmlessKeys = []string{
	"auto_mapping", "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout",
	"megatron_core", "peft_version", "qalora_group_size", "runtime_config",
}

// harmlessInits are the ways to start from that leave the base's weights as they are. Others, such as "pissa" or "loftq",
// move a part of them into the adapter, which then belongs to a base that nobody has.
var harmlessInits = []string{"gaussian", "eva", "orthogonal"}

// parseLowRankConfig reads the config of a LoRA adapter. Any key that is neither known nor harmless must be unset: it
// belongs to a feature that may change what the adapter computes.
func parseLowRankConfig(data []byte) (*LowRank, error) {
	s, err := parseSettings(data)
	if err != nil {
		return nil, err
	}
	var kind, task, bias, revision string
	task, bias = taskType, "none"
	l := &LowRank{Rank: -1}
	alpha := json.Number("")
	for _, read := range []struct {
		key   string
		value any
	}{
		{"peft_type", &kind}, {"task_type", &task}, {"bias", &bias}, {"base_model_name_or_path", &l.BaseModel}, {"revision", &revision},
		{"r", &l.Rank}, {"lora_alpha", &alpha}, {"use_rslora", &l.RSLora}, {"use_dora", &l.DoRA},
	} {
		if err := s.read(read.key, read.value); err != nil {
			return nil, err
		}
	}
	l.BaseModel = joinRevision(l.BaseModel, revision)
	switch {
	case kind != KindLoRA:
		return nil, fmt.Errorf("peft_type is %.40q, expected %q", kind, KindLoRA)
	case task != taskType:
		return nil, fmt.Errorf("task_type is %.40q, expected %q", task, taskType)
	case bias != "none":
		return nil, fmt.Errorf("bias is %.40q, only \"none\" is supported", bias)
	case l.Rank < 1 || l.Rank > maxRank:
		return nil, fmt.Errorf("r is missing or not from 1 to %d", maxRank)
	}
	if l.Alpha, err = alpha.Float64(); err != nil {
		return nil, fmt.Errorf("lora_alpha: expected a number, got %.40q", alpha)
	}
	if err := l.readTargets(s); err != nil {
		return nil, err
	}
	if err := checkInit(s); err != nil {
		return nil, err
	}
	for _, key := range harmlessKeys {
		delete(s, key)
	}
	if key := s.firstSet(); key != "" {
		return nil, fmt.Errorf("%s is %.80s: this feature of PEFT is not supported; merge the adapter with PEFT instead",
			key, s[key])
	}
	return l, nil
}

// readTargets reads target_modules: a list, or one pattern that stands for what the tensors tell anyway.
func (l *LowRank) readTargets(s settings) error {
	if raw := s["target_modules"]; len(raw) > 0 && raw[0] == '"' {
		var pattern string
		err := s.read("target_modules", &pattern)
		l.TargetModules = []string{pattern}
		return err
	}
	return s.read("target_modules", &l.TargetModules)
}

func checkInit(s settings) error {
	raw, ok := s["init_lora_weights"]
	delete(s, "init_lora_weights")
	if !ok || isUnset(raw) || string(raw) == "true" {
		return nil
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil || !slices.Contains(harmlessInits, name) {
		return fmt.Errorf("init_lora_weights is %.40s: it changes the base model, and is not supported (supported: true, "+
			"false, %q)", raw, harmlessInits)
	}
	return nil
}
