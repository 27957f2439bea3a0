// Package java repeats, bit for bit, the parts of the Java class library on
// which the workload of an older simulator depends: the pseudo-random numbers
// of java.util.Random, the natural logarithm of StrictMath, and the order in
// which a java.util.HashMap lists its keys.
//
// It exists so that experiments published with Java programs can be run again
// with the very same inputs. New code has better generators in math/rand/v2,
// and no reason to depend on the order of a hash table.
//
// Sources:
//
//	[1] Java SE 17 API specification: java.util.Random gives its algorithms
//	    in full, java.lang.String that of hashCode; java.util.HashMap gives
//	    its capacity and load factor, and what it does with crowded bins.
//	[2] Java SE 17 API specification, java.lang.StrictMath, which prescribes
//	    the results of fdlibm, the "Freely Distributable Math Library" of Sun
//	    Microsystems; its algorithm for log is explained in e_log.c there.
package java
