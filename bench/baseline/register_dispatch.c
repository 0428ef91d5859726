// SPDX-License-Identifier: Apache-2.0
// What register dispatch costs in plain C, beside the figures of this project: the virtio common configuration
// (virtio 1.4 §4.1.4.3), one reader function per register, found through a table of function pointers by offset.
// Reads the registers in order and in a pseudo-random order, and prints one JSON object with ns per read.
//
//   cc -O2 -std=c11 -o register_dispatch register_dispatch.c && ./register_dispatch
#define _POSIX_C_SOURCE 199309L
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BLOCK_BYTES = 64, QUEUES = 8, SEQUENCE = 4096, ROUNDS = 256, SAMPLES = 31 };

struct queue {
    uint16_t size, msix_vector, enable, notify_off, notify_config_data, reset;
    uint64_t desc, driver, device;
};

struct device {
    uint64_t device_feature, driver_feature;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t config_msix_vector, num_queues, queue_select, admin_queue_index, admin_queue_num;
    uint8_t device_status, config_generation;
    struct queue queues[QUEUES];
};

typedef uint32_t (*reader)(const struct device *device);

static uint32_t word(uint64_t value, uint32_t select)
{
    return select < 2 ? (uint32_t)(value >> (32 * select)) : 0;
}

static const struct queue *selected(const struct device *device)
{
    return &device->queues[device->queue_select % QUEUES];
}

#define READER(name, value) \
    static uint32_t read_##name(const struct device *d) { return (uint32_t)(value); }

READER(device_feature_select, d->device_feature_select)
READER(device_feature, word(d->device_feature, d->device_feature_select))
READER(driver_feature_select, d->driver_feature_select)
READER(driver_feature, word(d->driver_feature, d->driver_feature_select))
READER(config_msix_vector, d->config_msix_vector)
READER(num_queues, d->num_queues)
READER(device_status, d->device_status)
READER(config_generation, d->config_generation)
READER(queue_select, d->queue_select)
READER(queue_size, selected(d)->size)
READER(queue_msix_vector, selected(d)->msix_vector)
READER(queue_enable, selected(d)->enable)
READER(queue_notify_off, selected(d)->notify_off)
READER(queue_desc_lo, selected(d)->desc)
READER(queue_desc_hi, selected(d)->desc >> 32)
READER(queue_driver_lo, selected(d)->driver)
READER(queue_driver_hi, selected(d)->driver >> 32)
READER(queue_device_lo, selected(d)->device)
READER(queue_device_hi, selected(d)->device >> 32)
READER(queue_notif_config_data, selected(d)->notify_config_data)
READER(queue_reset, selected(d)->reset)
READER(admin_queue_index, d->admin_queue_index)
READER(admin_queue_num, d->admin_queue_num)

struct row {
    uint8_t offset, width;
    reader read;
};

static const struct row rows[] = {
    {0x00, 4, read_device_feature_select},
    {0x04, 4, read_device_feature},
    {0x08, 4, read_driver_feature_select},
    {0x0c, 4, read_driver_feature},
    {0x10, 2, read_config_msix_vector},
    {0x12, 2, read_num_queues},
    {0x14, 1, read_device_status},
    {0x15, 1, read_config_generation},
    {0x16, 2, read_queue_select},
    {0x18, 2, read_queue_size},
    {0x1a, 2, read_queue_msix_vector},
    {0x1c, 2, read_queue_enable},
    {0x1e, 2, read_queue_notify_off},
    {0x20, 4, read_queue_desc_lo},
    {0x24, 4, read_queue_desc_hi},
    {0x28, 4, read_queue_driver_lo},
    {0x2c, 4, read_queue_driver_hi},
    {0x30, 4, read_queue_device_lo},
    {0x34, 4, read_queue_device_hi},
    {0x38, 2, read_queue_notif_config_data},
    {0x3a, 2, read_queue_reset},
    {0x3c, 2, read_admin_queue_index},
    {0x3e, 2, read_admin_queue_num},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static reader readers[BLOCK_BYTES];
static uint8_t widths[BLOCK_BYTES];

/* Kept out of line, as a register access of a device model crosses a module boundary. */
__attribute__((noinline)) static uint32_t read_register(const struct device *device, uint32_t offset, uint32_t width)
{
    if (offset >= BLOCK_BYTES || widths[offset] != width)
        return UINT32_MAX;
    return readers[offset](device);
}

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Minimum and median ns per read over the samples; the sum of everything read goes to `sum`. */
static void measure(const struct device *device, const uint8_t *order, double *min, double *median, uint64_t *sum)
{
    double samples[SAMPLES];

    for (int sample = 0; sample < SAMPLES; sample++) {
        uint64_t total = 0;
        double began = now_ns();

        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < SEQUENCE; i++)
                total += read_register(device, rows[order[i]].offset, rows[order[i]].width);
        samples[sample] = (now_ns() - began) / ((double)ROUNDS * SEQUENCE);
        *sum += total;
    }
    qsort(samples, SAMPLES, sizeof samples[0], by_value);
    *min = samples[0];
    *median = samples[SAMPLES / 2];
}

int main(void)
{
    static struct device device;
    static uint8_t in_order[SEQUENCE], random_order[SEQUENCE];
    double min, median, random_min, random_median;
    uint64_t sum = 0, expected = 0;
    uint32_t state = 0x9e3779b9;

    device.device_feature = UINT64_C(0x0000030130000021);
    device.num_queues = QUEUES;
    device.device_status = 0x0f;
    device.queues[0] = (struct queue){.size = 256, .enable = 1, .desc = UINT64_C(0x123456000)};
    for (int i = 0; i < ROWS; i++) {
        readers[rows[i].offset] = rows[i].read;
        widths[rows[i].offset] = rows[i].width;
    }
    for (int i = 0; i < SEQUENCE; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5; /* xorshift32 */
        in_order[i] = (uint8_t)(i % ROWS);
        random_order[i] = (uint8_t)(state % ROWS);
        expected += rows[in_order[i]].read(&device) + (uint64_t)rows[random_order[i]].read(&device);
    }

    measure(&device, in_order, &min, &median, &sum);
    measure(&device, random_order, &random_min, &random_median, &sum);
    if (sum != expected * ROUNDS * SAMPLES) {
        fputs("register_dispatch: the reads do not add up\n", stderr);
        return 1;
    }

    printf("{\"schema\":\"virtfn.bench.baseline/1\",\"unit\":\"read\",\"results\":["
           "{\"name\":\"c-register-read\",\"minNs\":%.3f,\"medianNs\":%.3f},"
           "{\"name\":\"c-register-read-random\",\"minNs\":%.3f,\"medianNs\":%.3f}]}\n",
           min, median, random_min, random_median);
    return 0;
}
