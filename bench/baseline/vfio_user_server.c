// SPDX-License-Identifier: Apache-2.0
// What a register read over vfio-user costs with a server in plain C, beside the figures of this project: one client, one
// thread that blocks in recvmsg, header and body read apart, as file descriptors of a message demand. It knows VERSION
// and REGION_READ, and every register of it reads as 3.
//
//   cc -O2 -std=gnu11 -o vfio_user_server vfio_user_server.c && ./vfio_user_server PATH
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VERSION = 1, REGION_READ = 9, TYPE_REPLY = 1, ERROR = 1 << 5, BODY_MAX = 8192, DATA_MAX = 4096, MESSAGE_FDS = 16 };

struct header {
    uint16_t id, command;
    uint32_t size, flags, error;
};

struct region_access {
    uint64_t offset;
    uint32_t region, count;
    uint8_t data[DATA_MAX];
};

static struct {
    struct header header;
    union {
        uint8_t bytes[BODY_MAX];
        struct region_access access;
    } body;
} message;

/* Reads `length` bytes; 0 where the client is gone. */
static int receive(int fd, void *into, size_t length)
{
    static char control[CMSG_SPACE(MESSAGE_FDS * sizeof(int))];

    for (size_t done = 0; done < length;) {
        struct iovec piece = {(char *)into + done, length - done};
        struct msghdr call = {
            .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t count = recvmsg(fd, &call, 0);

        if (count <= 0)
            return 0;
        done += (size_t)count;
    }
    return 1;
}

/* Turns the message into its reply; the bytes of it. */
static uint32_t answer(void)
{
    static const char agreed[] = "\0\0\0\0{\"capabilities\":{}}"; /* version 0.0 */
    struct region_access *access = &message.body.access;

    message.header.flags = TYPE_REPLY;
    if (message.header.command == VERSION) {
        memcpy(message.body.bytes, agreed, sizeof agreed);
        return sizeof message.header + sizeof agreed;
    }
    if (message.header.command == REGION_READ && access->count <= DATA_MAX) {
        memset(access->data, 0, access->count);
        access->data[0] = 3;
        return (uint32_t)(sizeof message.header + offsetof(struct region_access, data) + access->count);
    }
    message.header.flags |= ERROR;
    message.header.error = ENOTSUP;
    return sizeof message.header;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client;

    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
        fputs("usage: vfio_user_server PATH\n", stderr);
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0) {
        perror(argv[1]);
        return 1;
    }
    puts("ready");
    fflush(stdout);
    client = accept(listener, NULL, NULL);
    while (receive(client, &message.header, sizeof message.header)) {
        uint32_t body = message.header.size - (uint32_t)sizeof message.header;

        if (body > BODY_MAX || !receive(client, &message.body, body))
            return 1;
        message.header.size = answer();
        if (send(client, &message, message.header.size, MSG_NOSIGNAL) < 0)
            return 1;
    }
    return 0;
}
