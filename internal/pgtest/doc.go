// Package pgtest gives tests a PostgreSQL of their own.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	pool := pgtest.Pool(t)           // a database of the test's own on the cluster of the test binary
//	server := pgtest.Start(t)        // a cluster of the test's own, which it may kill and start again
//
// Servers listen on unix sockets in temporary directories only, so they never get into each other's way. As root they run as another user. They end with
// the process that started them, however that ends.
//
// The binaries are those of $PGBIN, or the newest under /usr/lib/postgresql, or those in the PATH. Where there are none a test is skipped, and says so; with
// REQUIRE_POSTGRES=1 it fails.
package pgtest
