package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// identifierBytesMax is what PostgreSQL keeps of an identifier.
const identifierBytesMax = 63

// Schema is the name of the schema that holds what a projection version writes. It is not quoted.
func Schema(p projections.ID) string { return shorten(p.Name + "_v" + strconv.Itoa(p.Version)) }

// Views is the name of the schema whose views show the live version of a projection. It is not quoted.
func Views(name string) string { return shorten(name) }

// shorten keeps what fits of a name that is too long, and ends it with what tells it from others.
func shorten(name string) string {
	if len(name) <= identifierBytesMax {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := "_" + hex.EncodeToString(sum[:4])
	return strings.ToValidUTF8(name[:identifierBytesMax-len(end)], "") + end
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

// checkName refuses projections whose schemas would be those of something else.
func checkName(p projections.ID) error {
	name := strings.ToLower(p.Name)
	if name == "strand" || name == "public" || name == "information_schema" || strings.HasPrefix(name, "pg_") {
		return &projections.InvalidError{Projection: p.Name, Reason: "PostgreSQL, or Strand itself, has a schema of this name: choose another one"}
	}
	if at := strings.LastIndex(p.Name, "_v"); at > 0 && strings.Trim(p.Name[at+2:], "0123456789") == "" && at+2 < len(p.Name) {
		return &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("its views would be in the schema of a version of projection %q: choose a name that does not end in %q", p.Name[:at], p.Name[at:])}
	}
	return nil
}
