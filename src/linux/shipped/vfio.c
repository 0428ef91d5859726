// SPDX-License-Identifier: Apache-2.0
// vfio: what a script in the guest of `virtfn uml run` does with a device behind vfio, without an IOMMU. `vfio --help` has the
// commands. A legacy driver is in vfio_legacy.c.
#define _GNU_SOURCE
#include "vfio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

// Younger than the headers of some machines that this is compiled on.
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
struct bind_iommufd {
    uint32_t argsz;
    uint32_t flags;
    int32_t iommufd;
    uint32_t out_devid;
};

static const char USAGE[] =
    "vfio [--cdev] ADDRESS COMMAND...: opens a device of vfio by its group, or by its own node, and does in turn\n"
    "  info                              flags, regions and interrupts\n"
    "  read REGION OFFSET SIZE           a register of 1, 2, 4 or 8 bytes; REGION is bar0 to bar5, rom or config\n"
    "  write REGION OFFSET SIZE VALUE    the same; `write config 4 2 7` lets BARs answer and the device reach memory\n"
    "  reset                             VFIO_DEVICE_RESET\n"
    "  hold SECONDS                      nothing\n"
    "  time COMMAND...                   the same as COMMAND, and what it took, in ns of the guest's time\n"
    "  legacy SEND RECEIVE               a legacy virtio-net driver through BAR0: comes up with MSI-X, sends frames to\n"
    "                                    everybody, waits for frames, resets the device\n"
    "vfio --clock prints the guest's time in ns, which goes in steps of 256.\n"
    "ADDRESS is 0000:00:01.0 or what `vf 1` prints. Exit code 0: all of it was done. 1: the rest was not. 2: usage.\n";

void fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fflush(stdout);
    fputs("vfio: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

static void usage(const char *problem, const char *word) {
    fprintf(stderr, "vfio: %s: %s\n%s", word, problem, USAGE);
    exit(2);
}

static unsigned long long number(const char *text) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (*text == '\0' || *end != '\0' || errno != 0) usage("a number is needed", text);
    return value;
}

// The device of an address, opened by the node of its group.
static int open_by_group(const char *address) {
    char path[256], target[256];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", address);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) fail("%s: no group; bind it to a driver of vfio first", address);
    target[length] = '\0';
    int container = open("/dev/vfio/vfio", O_RDWR);
    if (container < 0) fail("/dev/vfio/vfio: %s", strerror(errno));
    snprintf(path, sizeof path, "/dev/vfio/noiommu-%s", strrchr(target, '/') + 1);
    int group = open(path, O_RDWR);
    if (group < 0) fail("%s: %s", path, strerror(errno));
    if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0) fail("VFIO_GROUP_SET_CONTAINER: %s", strerror(errno));
    if (ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU) < 0) fail("VFIO_SET_IOMMU: %s", strerror(errno));
    int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
    if (device < 0) fail("VFIO_GROUP_GET_DEVICE_FD %s: %s", address, strerror(errno));
    return device;
}

// The same by the node of the device and iommufd.
static int open_by_cdev(const char *address) {
    char path[512], name[256] = "";
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vfio-dev", address);
    DIR *folder = opendir(path);
    if (folder == NULL) fail("%s: no node of its own; bind it to a driver of vfio first", address);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') snprintf(name, sizeof name, "%s", entry->d_name);
    closedir(folder);
    snprintf(path, sizeof path, "/dev/vfio/devices/%s", name);
    int device = open(path, O_RDWR);
    if (device < 0) fail("%s: %s", path, strerror(errno));
    int iommufd = open("/dev/iommu", O_RDWR);
    if (iommufd < 0) fail("/dev/iommu: %s", strerror(errno));
    struct bind_iommufd bind = {.argsz = sizeof bind, .iommufd = iommufd};
    if (ioctl(device, BIND_IOMMUFD, &bind) < 0) fail("VFIO_DEVICE_BIND_IOMMUFD: %s", strerror(errno));
    return device;
}

struct vfio_region_info region_info(int device, unsigned index) {
    struct vfio_region_info info = {.argsz = sizeof info, .index = index};
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
        fail("VFIO_DEVICE_GET_REGION_INFO %u: %s", index, strerror(errno));
    return info;
}

uint64_t region_read(int device, unsigned region, uint64_t offset, size_t size) {
    uint64_t value = 0;
    ssize_t done = pread(device, &value, size, (off_t)(region_info(device, region).offset + offset));
    if (done != (ssize_t)size)
        fail("read of region %u at 0x%llx, %zu bytes: %s", region, (unsigned long long)offset, size,
             done < 0 ? strerror(errno) : "cut short");
    return value;
}

void region_write(int device, unsigned region, uint64_t offset, size_t size, uint64_t value) {
    ssize_t done = pwrite(device, &value, size, (off_t)(region_info(device, region).offset + offset));
    if (done != (ssize_t)size)
        fail("write to region %u at 0x%llx, %zu bytes: %s", region, (unsigned long long)offset, size,
             done < 0 ? strerror(errno) : "cut short");
}

void msix_enable(int device, int *events, unsigned count) {
    char buffer[sizeof(struct vfio_irq_set) + 32 * sizeof(int)];
    struct vfio_irq_set *set = (struct vfio_irq_set *)buffer;
    *set = (struct vfio_irq_set){
        .argsz = (uint32_t)(sizeof *set + count * sizeof(int)),
        .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
        .count = count,
    };
    for (unsigned i = 0; i < count; i++) {
        events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (events[i] < 0) fail("eventfd: %s", strerror(errno));
    }
    memcpy(set->data, events, count * sizeof(int));
    if (ioctl(device, VFIO_DEVICE_SET_IRQS, set) < 0) fail("VFIO_DEVICE_SET_IRQS, %u of MSI-X: %s", count, strerror(errno));
}

void msix_disable(int device) {
    struct vfio_irq_set set = {
        .argsz = sizeof set,
        .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
    };
    if (ioctl(device, VFIO_DEVICE_SET_IRQS, &set) < 0) fail("VFIO_DEVICE_SET_IRQS, none of MSI-X: %s", strerror(errno));
}

static const char *const REGIONS[] = {"bar0", "bar1", "bar2", "bar3", "bar4", "bar5", "rom", "config"};
static const char *const INTERRUPTS[] = {"intx", "msi", "msix", "err", "req"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static unsigned region_of(const char *name) {
    for (unsigned i = 0; i < COUNT(REGIONS); i++)
        if (strcmp(name, REGIONS[i]) == 0) return i;
    usage("no such region", name);
    return 0;
}

static void print_info(int device) {
    struct vfio_device_info info = {.argsz = sizeof info};
    if (ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0) fail("VFIO_DEVICE_GET_INFO: %s", strerror(errno));
    printf("device%s%s, %u regions, %u interrupts\n", info.flags & VFIO_DEVICE_FLAGS_RESET ? " reset" : "",
           info.flags & VFIO_DEVICE_FLAGS_PCI ? " pci" : "", info.num_regions, info.num_irqs);
    for (unsigned i = 0; i < COUNT(REGIONS); i++) {
        struct vfio_region_info region = region_info(device, i);
        if (region.size == 0) continue;
        printf("%s %llu bytes%s%s%s\n", REGIONS[i], (unsigned long long)region.size,
               region.flags & VFIO_REGION_INFO_FLAG_READ ? " read" : "",
               region.flags & VFIO_REGION_INFO_FLAG_WRITE ? " write" : "",
               region.flags & VFIO_REGION_INFO_FLAG_MMAP ? " mmap" : "");
    }
    for (unsigned i = 0; i < COUNT(INTERRUPTS) && i < info.num_irqs; i++) {
        struct vfio_irq_info irq = {.argsz = sizeof irq, .index = i};
        if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &irq) < 0 || irq.count == 0) continue;
        printf("%s %u\n", INTERRUPTS[i], irq.count);
    }
}

static size_t size_of(const char *text) {
    unsigned long long size = number(text);
    if (size != 1 && size != 2 && size != 4 && size != 8) usage("1, 2, 4 or 8 bytes are a register", text);
    return (size_t)size;
}

static unsigned long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1000000000ULL * (unsigned long long)now.tv_sec + (unsigned long long)now.tv_nsec;
}

// One command with its values; how many words it took.
static int run(int device, int count, char **words) {
    const char *name = words[0];
    if (strcmp(name, "time") == 0) {
        if (count < 2) usage("a command is missing", name);
        unsigned long long begin = now_ns();
        int taken = run(device, count - 1, words + 1);
        printf("%llu ns\n", now_ns() - begin);
        return 1 + taken;
    }
    static const struct { const char *name; int values; } COMMANDS[] = {
        {"info", 0}, {"read", 3}, {"write", 4}, {"reset", 0}, {"hold", 1}, {"legacy", 2},
    };
    int values = -1;
    for (size_t i = 0; i < COUNT(COMMANDS); i++)
        if (strcmp(name, COMMANDS[i].name) == 0) values = COMMANDS[i].values;
    if (values < 0) usage("no such command", name);
    if (count <= values) usage("values are missing", name);
    if (strcmp(name, "info") == 0) {
        print_info(device);
    } else if (strcmp(name, "read") == 0) {
        uint64_t value = region_read(device, region_of(words[1]), number(words[2]), size_of(words[3]));
        printf("0x%llx\n", (unsigned long long)value);
    } else if (strcmp(name, "write") == 0) {
        region_write(device, region_of(words[1]), number(words[2]), size_of(words[3]), number(words[4]));
    } else if (strcmp(name, "reset") == 0) {
        if (ioctl(device, VFIO_DEVICE_RESET) < 0) fail("VFIO_DEVICE_RESET: %s", strerror(errno));
    } else if (strcmp(name, "hold") == 0) {
        sleep((unsigned)number(words[1]));
    } else {
        run_legacy(device, (unsigned)number(words[1]), (unsigned)number(words[2]));
    }
    return 1 + values;
}

int main(int count, char **words) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    int at = 1, by_cdev = 0;
    if (at < count && strcmp(words[at], "--help") == 0) return fputs(USAGE, stdout) < 0;
    if (at < count && strcmp(words[at], "--clock") == 0) return printf("%llu\n", now_ns()) < 0;
    if (at < count && strcmp(words[at], "--cdev") == 0) by_cdev = at++;
    if (at + 2 > count) usage("an address and a command are needed", "vfio");
    int device = by_cdev ? open_by_cdev(words[at]) : open_by_group(words[at]);
    for (at++; at < count;) at += run(device, count - at, words + at);
    return 0;
}
