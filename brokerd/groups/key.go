package groups

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// key names a record of the groups topic. Its text begins with the group's name in braces, which alone decides the partition:
//
//	{billing}                                the group itself
//	{billing}/members/MEMBER                 one of its members
//	{billing}/topics/TOPIC                   who has the partitions of a topic, and who should
//	{billing}/offsets/TOPIC/PARTITION        a committed offset
//
// Of each key the latest value counts, whatever the order of keys: the cleaner of a table topic appends old records again, behind newer ones of
// other keys.
type key struct {
	group string
	kind  kind
	id    uuid.UUID // of a member or a topic
	part  int32
}

type kind uint8

const (
	kindGroup kind = iota
	kindMember
	kindOffset
	kindTopic
)

func (k key) String() string {
	s := "{" + k.group + "}"
	switch k.kind {
	case kindMember:
		s += "/members/" + k.id.String()
	case kindTopic:
		s += "/topics/" + k.id.String()
	case kindOffset:
		s += "/offsets/" + k.id.String() + "/" + strconv.Itoa(int(k.part))
	case kindGroup:
	}
	return s
}

func parseKey(text string) (key, error) {
	k, err := splitKey(text)
	if err == nil && k.String() != text {
		err = fmt.Errorf("it is written otherwise than %q", k)
	}
	if err != nil {
		return key{}, fmt.Errorf("groups: key %q: %w", text, err)
	}
	return k, nil
}

func splitKey(text string) (k key, err error) {
	name, ok := strings.CutPrefix(text, "{")
	name, rest, closed := strings.Cut(name, "}")
	if !ok || !closed {
		return k, fmt.Errorf("it does not begin with a group in braces")
	}
	if reason, ok := checkName(name); !ok {
		return k, fmt.Errorf("the group: %s", reason)
	}
	k.group = name
	if rest == "" {
		return k, nil
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 3 && parts[0] == "" && parts[1] == "members":
		k.kind = kindMember
	case len(parts) == 3 && parts[0] == "" && parts[1] == "topics":
		k.kind = kindTopic
	case len(parts) == 4 && parts[0] == "" && parts[1] == "offsets":
		k.kind = kindOffset
		n, err := strconv.ParseUint(parts[3], 10, 31)
		if err != nil || n >= PartitionsMax {
			return k, fmt.Errorf("%q is no partition", parts[3])
		}
		k.part = int32(n)
	default:
		return k, fmt.Errorf("it is unknown what it holds: it was written by a newer brokerd")
	}
	if k.id, err = uuid.Parse(parts[2]); err != nil {
		return k, fmt.Errorf("the id: %w", err)
	}
	return k, nil
}
