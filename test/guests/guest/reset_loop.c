// SPDX-License-Identifier: Apache-2.0
// Resets a virtio device again and again from user space: status 0, read it back, negotiate up to DRIVER_OK
// (virtio 1.4 §3.1.1), with no queue; `modern` through the mapped common configuration, `legacy` through the I/O ports
// of BAR0. No driver may be bound to it. Usage: reset_loop /sys/bus/pci/devices/ADDRESS modern|legacy COUNT
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { LEGACY_STATUS = 18 };

static volatile uint8_t *common; // struct virtio_pci_common_cfg, or NULL for a legacy device
static int ports = -1;           // BAR0 of a legacy device

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_in(const char *device, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", device, name);
  const int fd = open(path, O_RDWR | O_SYNC);
  if (fd < 0) fail(path);
  return fd;
}

static uint8_t read_status(void) {
  uint8_t value;
  if (common) return common[20];
  if (pread(ports, &value, 1, LEGACY_STATUS) != 1) fail("read device status");
  return value;
}

static void write_status(uint8_t value) {
  if (common) common[20] = value;
  else if (pwrite(ports, &value, 1, LEGACY_STATUS) != 1) fail("write device status");
}

static void write_driver_feature(uint32_t select, uint32_t value) {
  *(volatile uint32_t *)(common + 8) = select;
  *(volatile uint32_t *)(common + 12) = value;
}

// Follows the list of capabilities to the one of VIRTIO_PCI_CAP_COMMON_CFG and maps what it points to.
static void map_common(const char *device) {
  uint8_t config[256];
  if (pread(open_in(device, "config"), config, sizeof config, 0) != sizeof config) fail("read configuration space");
  for (uint8_t at = config[0x34]; at >= 0x40; at = config[at + 1]) {
    if (config[at] != 0x09 || config[at + 3] != 1) continue;
    char name[16];
    uint32_t offset;
    memcpy(&offset, config + at + 8, sizeof offset);
    snprintf(name, sizeof name, "resource%u", config[at + 4]);
    void *mapped =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open_in(device, name), offset & ~4095u);
    if (mapped == MAP_FAILED) fail("map the BAR");
    common = (volatile uint8_t *)mapped + (offset & 4095);
    return;
  }
  puts("no common configuration");
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const int count = atoi(argv[3]);
  if (write(open_in(argv[1], "enable"), "1", 1) != 1) fail("enable the device");
  if (strcmp(argv[2], "modern") == 0) map_common(argv[1]);
  else ports = open_in(argv[1], "resource0");

  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int round = 0; round < count; round++) {
    write_status(0);
    for (int reads = 0; read_status() != 0; reads++) {
      if (reads == 100000) {
        printf("round %d: the status does not become 0\n", round);
        return 1;
      }
    }
    uint8_t status = ACKNOWLEDGE | DRIVER;
    write_status(status);
    if (common) {
      write_driver_feature(0, 0);
      write_driver_feature(1, 1); // VIRTIO_F_VERSION_1
      write_status(status |= FEATURES_OK);
    }
    write_status(status |= DRIVER_OK);
    if (read_status() != status) {
      printf("round %d: status 0x%02x instead of 0x%02x\n", round, read_status(), status);
      return 1;
    }
  }
  write_status(0);
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%d resets in %ld ms\n", count,
         (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
  return 0;
}
