package config

import (
	"fmt"
	"strings"
)

// Reference is the table of all keys in Markdown, for the documentation.
func Reference() string {
	var out strings.Builder
	for i, group := range groups {
		if i > 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "## %s\n\n| key | default | values | meaning | also read as |\n|---|---|---|---|---|\n", group.Title)
		for _, key := range Keys(group.Name) {
			aliases := ""
			if len(key.Aliases) > 0 {
				aliases = "`" + strings.Join(key.Aliases, "`, `") + "`"
			}
			standard := ""
			if key.Default != "" {
				standard = "`" + key.Default + "`"
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", key.Name, standard, key.Expected(), key.Help, aliases)
		}
	}
	return out.String()
}
