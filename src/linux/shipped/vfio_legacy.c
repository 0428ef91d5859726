// SPDX-License-Identifier: Apache-2.0
// A legacy virtio-net driver (virtio 1.4, section 4.1.4.10 and what it says of older interfaces) on the I/O BAR0 that a
// transitional device has, in user space: guest memory by its physical addresses, interrupts by eventfds.
#define _GNU_SOURCE
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    DEVICE_FEATURES = 0,
    DRIVER_FEATURES = 4,
    QUEUE_ADDRESS = 8,
    QUEUE_SIZE = 12,
    QUEUE_SELECT = 14,
    QUEUE_NOTIFY = 16,
    DEVICE_STATUS = 18,
    CONFIG_VECTOR = 20,
    QUEUE_VECTOR = 22,
    MAC_WITH_MSIX = 24,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4 };
enum { RECEIVE_QUEUE, TRANSMIT_QUEUE, QUEUES };
enum { NET_F_MAC = 5, NO_VECTOR = 0xffff, COMMAND = 4, IO_MEMORY_MASTER = 7 };
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum { PAGE = 4096, HEADER = 10, FRAME = 60, BUFFER = 2048, POOL_PAGES = 1024, WAIT_MS = 5000 };

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
struct avail {
    uint16_t flags, idx, ring[];
};
struct used {
    uint16_t flags, idx;
    struct {
        uint32_t id, len;
    } ring[];
};
struct queue {
    unsigned index, size;
    volatile struct desc *desc;
    volatile struct avail *avail;
    volatile struct used *used;
    uint16_t seen;
    int event;
};
// Pages that follow each other in physical memory.
struct memory {
    uint8_t *bytes;
    uint64_t physical;
};
struct page {
    uint64_t frame;
    uint8_t *bytes;
};

static int by_frame(const void *one, const void *other) {
    uint64_t a = ((const struct page *)one)->frame, b = ((const struct page *)other)->frame;
    return (a > b) - (a < b);
}

// A device without an IOMMU reaches physical memory; the kernel says where a page lies in /proc/self/pagemap. Of a pool of
// pages those that follow each other there are put one behind the other here.
static struct memory contiguous(size_t bytes) {
    static struct page pool[POOL_PAGES];
    size_t count = (bytes + PAGE - 1) / PAGE;
    int map = open("/proc/self/pagemap", O_RDONLY);
    if (map < 0) fail("/proc/self/pagemap: %s", strerror(errno));
    uint8_t *all = mmap(NULL, POOL_PAGES * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
    if (all == MAP_FAILED) fail("mmap of %d pages: %s", POOL_PAGES, strerror(errno));
    for (size_t i = 0; i < POOL_PAGES; i++) {
        uint64_t entry;
        pool[i].bytes = all + i * PAGE;
        if (pread(map, &entry, 8, (off_t)((uintptr_t)pool[i].bytes / PAGE * 8)) != 8) fail("pagemap: %s", strerror(errno));
        pool[i].frame = entry & ((1ULL << 55) - 1);
        if (pool[i].frame == 0) fail("pagemap hides physical addresses; root is needed");
    }
    close(map);
    qsort(pool, POOL_PAGES, sizeof *pool, by_frame);
    size_t first = 0;
    for (size_t i = 1; i < POOL_PAGES && i - first < count; i++)
        if (pool[i].frame != pool[i - 1].frame + 1) first = i;
    if (first + count > POOL_PAGES) fail("no %zu pages that follow each other in memory", count);
    uint8_t *place = mmap(NULL, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < count; i++)
        if (mremap(pool[first + i].bytes, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + i * PAGE) == MAP_FAILED)
            fail("mremap: %s", strerror(errno));
    uint64_t physical = pool[first].frame * PAGE;
    for (size_t i = 0; i < POOL_PAGES; i++)
        if (i < first || i >= first + count) munmap(pool[i].bytes, PAGE);
    memset(place, 0, count * PAGE);
    return (struct memory){place, physical};
}

static uint64_t in(int device, uint64_t offset, size_t size) {
    return region_read(device, VFIO_PCI_BAR0_REGION_INDEX, offset, size);
}

static void out(int device, uint64_t offset, size_t size, uint64_t value) {
    region_write(device, VFIO_PCI_BAR0_REGION_INDEX, offset, size, value);
}

static void set_up(int device, struct queue *queue, unsigned index, int event) {
    out(device, QUEUE_SELECT, 2, index);
    unsigned size = (unsigned)in(device, QUEUE_SIZE, 2);
    if (size == 0) fail("queue %u is not there", index);
    size_t until_used = (size * sizeof(struct desc) + sizeof(struct avail) + 2 * size + 2 + PAGE - 1) / PAGE * PAGE;
    struct memory memory = contiguous(until_used + sizeof(struct used) + 8 * size + 2);
    *queue = (struct queue){
        .index = index,
        .size = size,
        .desc = (void *)memory.bytes,
        .avail = (void *)(memory.bytes + size * sizeof(struct desc)),
        .used = (void *)(memory.bytes + until_used),
        .event = event,
    };
    out(device, QUEUE_ADDRESS, 4, memory.physical / PAGE);
    out(device, QUEUE_VECTOR, 2, index + 1);
    if (in(device, QUEUE_VECTOR, 2) != index + 1) fail("queue %u takes no vector", index);
}

// Header and frame, each in a descriptor of its own, as the legacy interface asks for.
static void offer(struct queue *queue, unsigned buffer, uint64_t physical, unsigned bytes, unsigned flags) {
    uint16_t head = (uint16_t)(2 * buffer), next = (uint16_t)(head + 1);
    queue->desc[head] = (struct desc){.addr = physical, .len = HEADER, .flags = (uint16_t)(flags | DESC_NEXT), .next = next};
    queue->desc[next] = (struct desc){.addr = physical + HEADER, .len = bytes - HEADER, .flags = (uint16_t)flags};
    queue->avail->ring[queue->avail->idx % queue->size] = head;
    __sync_synchronize();
    queue->avail->idx++;
    __sync_synchronize();
}

// Waits until the device has used `count` more buffers.
static unsigned wait_used(struct queue *queue, unsigned count) {
    unsigned done = 0;
    for (;;) {
        __sync_synchronize();
        done += (uint16_t)(queue->used->idx - queue->seen);
        queue->seen = queue->used->idx;
        if (done >= count) return done;
        struct pollfd wait = {.fd = queue->event, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS) == 0) return done;
        uint64_t interrupts;
        if (read(queue->event, &interrupts, sizeof interrupts) < 0 && errno != EAGAIN) fail("eventfd: %s", strerror(errno));
    }
}

static void send_frames(int device, struct queue *queue, const uint8_t *mac, unsigned frames) {
    struct memory memory = contiguous(PAGE);
    uint8_t *frame = memory.bytes + HEADER;
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    frame[12] = 0x88; // a local experimental type (IEEE 802)
    frame[13] = 0xb5;
    for (unsigned i = 0; i < frames; i++) {
        frame[14] = (uint8_t)i;
        offer(queue, 0, memory.physical, HEADER + FRAME, 0);
        out(device, QUEUE_NOTIFY, 2, TRANSMIT_QUEUE);
        if (wait_used(queue, 1) != 1) fail("frame %u was not sent within %d ms", i, WAIT_MS);
    }
    printf("sent %u\n", frames);
}

void run_legacy(int device, unsigned send, unsigned receive) {
    struct vfio_region_info bar = region_info(device, VFIO_PCI_BAR0_REGION_INDEX);
    if (bar.size < MAC_WITH_MSIX + 6) fail("BAR0 has %llu bytes: not a transitional device", (unsigned long long)bar.size);
    region_write(device, VFIO_PCI_CONFIG_REGION_INDEX, COMMAND, 2, IO_MEMORY_MASTER);
    out(device, DEVICE_STATUS, 1, 0);
    out(device, DEVICE_STATUS, 1, ACKNOWLEDGE);
    out(device, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER);
    uint32_t features = (uint32_t)in(device, DEVICE_FEATURES, 4);
    out(device, DRIVER_FEATURES, 4, features & (1U << NET_F_MAC));

    int events[1 + QUEUES];
    msix_enable(device, events, 1 + QUEUES);
    out(device, CONFIG_VECTOR, 2, 0);
    if (in(device, CONFIG_VECTOR, 2) == NO_VECTOR) fail("the device takes no vector for its configuration");
    uint8_t mac[6];
    for (unsigned i = 0; i < sizeof mac; i++) mac[i] = (uint8_t)in(device, MAC_WITH_MSIX + i, 1);
    struct queue queues[QUEUES];
    for (unsigned i = 0; i < QUEUES; i++) set_up(device, &queues[i], i, events[1 + i]);
    printf("features 0x%08x, mac %02x:%02x:%02x:%02x:%02x:%02x, queues %u %u\n", features, mac[0], mac[1], mac[2], mac[3],
           mac[4], mac[5], queues[RECEIVE_QUEUE].size, queues[TRANSMIT_QUEUE].size);

    unsigned pairs = queues[RECEIVE_QUEUE].size / 2, buffers = pairs < 16 ? pairs : 16;
    struct memory memory = contiguous(buffers * BUFFER);
    for (unsigned i = 0; i < buffers; i++)
        offer(&queues[RECEIVE_QUEUE], i, memory.physical + i * BUFFER, BUFFER, DESC_WRITE);
    out(device, DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | DRIVER_OK);
    out(device, QUEUE_NOTIFY, 2, RECEIVE_QUEUE);
    printf("status 0x%02x\n", (unsigned)in(device, DEVICE_STATUS, 1));

    if (send > 0) send_frames(device, &queues[TRANSMIT_QUEUE], mac, send);
    if (receive > buffers) fail("%u frames: there are %u buffers", receive, buffers);
    if (receive > 0) {
        unsigned got = wait_used(&queues[RECEIVE_QUEUE], receive);
        if (got < receive) fail("%u of %u frames came within %d ms", got, receive, WAIT_MS);
        printf("received %u\n", got);
    }
    out(device, DEVICE_STATUS, 1, 0);
    msix_disable(device);
}
