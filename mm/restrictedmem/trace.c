// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints of restricted memory, and what ffi/trace.rs calls when one of
 * them is on.
 */

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include <trace/events/restrictedmem.h>
