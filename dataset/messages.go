package dataset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// roles are the spellings of the roles in chat files (OpenAI's and ShareGPT's).
var roles = map[string]Role{
	"system": RoleSystem, "user": RoleUser, "human": RoleUser, "assistant": RoleAssistant, "gpt": RoleAssistant,
}

// messages reads a chat: an optional system message, then user and assistant in turn, an assistant last.
func (l *layout) messages(v *value) (messages []Message, field, problem string) {
	field = l.theirs["messages"]
	list, ok := v.field(field)
	if !ok {
		return nil, field, "missing; the row has " + fieldNames(v)
	}
	if list.kind != kindList {
		return nil, field, "expected a list of messages, got " + list.kind.String()
	}
	if len(list.list) == 0 {
		return nil, field, "empty, so there is nothing to learn"
	}
	messages = make([]Message, len(list.list))
	for i := range list.list {
		in := fmt.Sprintf("%s[%d]", field, i)
		item := &list.list[i]
		if item.kind != kindObject {
			return nil, in, "expected an object, got " + item.kind.String()
		}
		roleName, contentName := "role", "content"
		if _, ok := item.field("from"); ok {
			roleName, contentName = "from", "value"
		}
		spelled, problem := text(item, roleName, required)
		if problem != "" {
			return nil, in + "." + roleName, problem
		}
		role, ok := roles[spelled]
		if !ok {
			return nil, in + "." + roleName, fmt.Sprintf("unsupported role %.40q, expected system, user or assistant", spelled)
		}
		wanted := required
		if role == RoleAssistant {
			wanted = l.response
		}
		content, problem := text(item, contentName, wanted)
		if problem != "" {
			return nil, in + "." + contentName, problem
		}
		if problem := checkOrder(messages[:i], role); problem != "" {
			return nil, in + "." + roleName, problem
		}
		messages[i] = Message{Role: role, Content: content}
		if weight, ok := item.field("weight"); ok && role == RoleAssistant {
			if messages[i].Masked, problem = noWeight(weight); problem != "" {
				return nil, in + ".weight", problem
			}
		}
	}
	if last := messages[len(messages)-1].Role; last != RoleAssistant && l.response == supervised {
		return nil, field, fmt.Sprintf("the last message is from %s, expected assistant", last)
	}
	return messages, "", ""
}

// noWeight reports whether an answer's weight takes the loss off it. As with OpenAI's files, which define it, there is no half.
func noWeight(weight *value) (masked bool, problem string) {
	if weight.kind == kindNull {
		return false, ""
	}
	number, err := strconv.ParseFloat(weight.text, 64)
	if weight.kind != kindNumber || err != nil || number != 0 && number != 1 {
		return false, fmt.Sprintf("expected the number 0 or 1, got %s %.40s", weight.kind, weight.text)
	}
	return number == 0, ""
}

// checkOrder checks that a message of this role may follow those before it.
func checkOrder(before []Message, role Role) string {
	previous := Role("")
	if len(before) > 0 {
		previous = before[len(before)-1].Role
	}
	switch {
	case role == RoleSystem && previous != "":
		return "a system message must be the first"
	case role == RoleUser && previous == RoleUser:
		return "expected role assistant after user, got user"
	case role == RoleAssistant && previous != RoleUser:
		return fmt.Sprintf("expected role user %s, got assistant", map[Role]string{
			"": "first", RoleSystem: "after system", RoleAssistant: "after assistant"}[previous])
	}
	return ""
}

// addSystem puts the system message that some files have beside the messages in front of them.
func addSystem(row *Row, v *value) (problem string) {
	system, problem := text(v, "system", optional)
	if problem != "" || strings.TrimSpace(system) == "" {
		return problem
	}
	if first := row.Messages[0]; first.Role == RoleSystem {
		if first.Content != system {
			return "the messages begin with another system message"
		}
		return ""
	}
	row.Messages = slices.Insert(row.Messages, 0, Message{Role: RoleSystem, Content: system})
	return ""
}
