package sparse

import (
	"fmt"
	"slices"
	"strings"

	"smt/model"
)

// Targets lists the matrices of the given modules ("q_proj" ...), in the order of the forward pass.
func Targets(slots []*model.Slot, modules []string) []Matrix {
	var targets []Matrix
	for _, s := range slots {
		if slices.Contains(modules, s.Module) {
			targets = append(targets, Matrix{Name: s.Name, Layer: s.Layer, Module: s.Module, Out: s.Out, In: s.In})
		}
	}
	return targets
}

// MatricesOf lists the target matrices of an architecture without loading it.
func MatricesOf(c *model.Config, modules []string) []Matrix {
	var targets []Matrix
	for layer := range c.Layers {
		for _, module := range model.Modules {
			if slices.Contains(modules, module) {
				out, in := c.LinearShape(module)
				targets = append(targets, Matrix{Name: model.LinearName(layer, module), Layer: layer, Module: module, Out: out, In: in})
			}
		}
	}
	return targets
}

// PaperModules are the modules that the SMT paper selects blocks in.
var PaperModules = []string{"q_proj", "k_proj", "v_proj"}

// CheckModules reports a target module that the decoder does not have.
func CheckModules(modules []string) error {
	if len(modules) == 0 {
		return fmt.Errorf("sparse: target_modules is empty: expected some of %s", strings.Join(model.Modules, ", "))
	}
	for _, m := range modules {
		if !slices.Contains(model.Modules, m) {
			return fmt.Errorf("sparse: target_modules: %q is not a module, expected some of %s", m, strings.Join(model.Modules, ", "))
		}
	}
	return nil
}

// IsAttention reports whether a module belongs to attention rather than the MLP.
func IsAttention(module string) bool { return model.InAttention(module) }
