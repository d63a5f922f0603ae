package projections

import (
	"fmt"
	"reflect"
	"time"
)

// copier makes copies of rows that share nothing with the original, so that a commit that is rolled back leaves no trace.
// A Row with the method Clone() Row is copied by it. Otherwise the copy follows slices, maps, pointers and interfaces,
// which is not possible through fields that are not exported.
type copier[Row any] struct {
	flat bool // assignment copies everything
}

func newCopier[Row any]() copier[Row] {
	return copier[Row]{flat: flat(reflect.TypeFor[Row]())}
}

func (c copier[Row]) copy(row Row) (Row, error) {
	if cloner, ok := any(row).(interface{ Clone() Row }); ok {
		return cloner.Clone(), nil
	}
	if c.flat {
		return row, nil
	}
	var out Row
	if err := deepCopy(reflect.ValueOf(&out).Elem(), reflect.ValueOf(&row).Elem(), copyDepthMax); err != nil {
		return out, fmt.Errorf("copying a row of type %T: %w; give %T a method Clone() %T", row, err, row, row)
	}
	return out, nil
}

// copyDepthMax ends the copying of rows that point to themselves.
const copyDepthMax = 100

// flat says whether assignment copies all of a value of type t.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() { // its pointer leads to a location, which never changes
			return true
		}
		for field := range t.Fields() {
			if !flat(field.Type) {
				return false
			}
		}
	}
	return true
}

// deepCopy sets dst to a copy of src. Both are addressable and of the same type.
func deepCopy(dst, src reflect.Value, depth int) error {
	if depth == 0 {
		return fmt.Errorf("it is nested more than %d deep", copyDepthMax)
	}
	if flat(src.Type()) {
		dst.Set(src)
		return nil
	}
	switch src.Kind() {
	case reflect.Slice:
		if src.IsNil() {
			return nil
		}
		out := reflect.MakeSlice(src.Type(), src.Len(), src.Len())
		for i := range src.Len() {
			if err := deepCopy(out.Index(i), src.Index(i), depth-1); err != nil {
				return err
			}
		}
		dst.Set(out)
	case reflect.Array:
		for i := range src.Len() {
			if err := deepCopy(dst.Index(i), src.Index(i), depth-1); err != nil {
				return err
			}
		}
	case reflect.Map:
		if src.IsNil() {
			return nil
		}
		out := reflect.MakeMapWithSize(src.Type(), src.Len())
		for it := src.MapRange(); it.Next(); {
			value := reflect.New(src.Type().Elem()).Elem()
			if err := deepCopy(value, it.Value(), depth-1); err != nil {
				return err
			}
			out.SetMapIndex(it.Key(), value)
		}
		dst.Set(out)
	case reflect.Pointer:
		if src.IsNil() {
			return nil
		}
		out := reflect.New(src.Type().Elem())
		if err := deepCopy(out.Elem(), src.Elem(), depth-1); err != nil {
			return err
		}
		dst.Set(out)
	case reflect.Interface:
		if src.IsNil() {
			return nil
		}
		value := reflect.New(src.Elem().Type()).Elem()
		if err := deepCopy(value, src.Elem(), depth-1); err != nil {
			return err
		}
		dst.Set(value)
	case reflect.Struct:
		dst.Set(src)
		for i := range src.NumField() {
			field := src.Type().Field(i)
			if flat(field.Type) {
				continue
			}
			if !field.IsExported() {
				return fmt.Errorf("field %s.%s is not exported and refers to other memory", src.Type(), field.Name)
			}
			if err := deepCopy(dst.Field(i), src.Field(i), depth-1); err != nil {
				return err
			}
		}
	default: // channel, function, unsafe pointer
		if src.IsNil() {
			return nil
		}
		return fmt.Errorf("a %s cannot be copied", src.Type())
	}
	return nil
}
