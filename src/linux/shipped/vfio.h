// SPDX-License-Identifier: Apache-2.0
// What the parts of the guest's program `vfio` know of each other.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vfio_region_info;

// Says what went wrong and ends the program with 1.
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

struct vfio_region_info region_info(int device, unsigned index);
uint64_t region_read(int device, unsigned region, uint64_t offset, size_t size);
void region_write(int device, unsigned region, uint64_t offset, size_t size, uint64_t value);

// Makes one eventfd for each of the first vectors of MSI-X.
void msix_enable(int device, int *events, unsigned count);
void msix_disable(int device);

void run_legacy(int device, unsigned send, unsigned receive);
