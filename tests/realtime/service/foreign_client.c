/* A control system in another language: plain TCP sockets, ZMTP 3.0 by hand, nothing of this project.
 *
 *     foreign_client CONTROL_PORT BITS CYCLES FRAME_CYCLES < SHOT
 *
 * SHOT: CYCLES rows of ceil(BITS / 8) bytes, then the row of the data readout. Says hello, sends the shot,
 * prints the status and the flips of its result. See docs/pages/protocol.md.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void put(uint8_t *at, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static uint32_t crc32_of(const uint8_t *data, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* --- ZMTP 3.0, NULL mechanism */

static void send_all(int fd, const void *data, size_t size) {
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) fail("send failed");
        at += sent;
        size -= (size_t)sent;
    }
}

static void receive_all(int fd, void *data, size_t size) {
    uint8_t *at = data;
    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0) fail("the other side is silent or gone");
        at += got;
        size -= (size_t)got;
    }
}

static void send_frame(int fd, uint8_t flags, const uint8_t *body, size_t size) {
    uint8_t head[9] = {flags};
    if (size < 256) {
        head[1] = (uint8_t)size;
        send_all(fd, head, 2);
    } else {
        head[0] |= 2; /* a length of eight bytes, most significant first */
        for (int i = 0; i < 8; i++) head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
        send_all(fd, head, 9);
    }
    send_all(fd, body, size);
}

/* The next frame, message or command (*flags & 4). */
static size_t receive_frame(int fd, uint8_t *flags, uint8_t *body, size_t room) {
    uint8_t head[9];
    uint64_t size;
    receive_all(fd, head, 2);
    size = head[1];
    if (head[0] & 2) {
        receive_all(fd, head + 2, 7);
        size = 0;
        for (int i = 0; i < 8; i++) size = size << 8 | head[1 + i];
    }
    if (size > room) fail("a frame too long for this client");
    receive_all(fd, body, size);
    *flags = head[0];
    return size;
}

/* The next message; a PING in between is answered. */
static size_t receive_message(int fd, uint8_t *body, size_t room) {
    for (;;) {
        uint8_t flags;
        size_t size = receive_frame(fd, &flags, body, room);
        if (!(flags & 4)) return size;
        if (size >= 7 && memcmp(body, "\4PING", 5) == 0) {
            memmove(body + 5, body + 7, size - 7);
            memcpy(body, "\4PONG", 5);
            send_frame(fd, 4, body, size - 2);
        }
    }
}

static int zmtp_connect(int port, const char *socket_type) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct timeval patience = {10, 0};
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&where, sizeof where)) fail("cannot connect");
    uint8_t greeting[64] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0, 'N', 'U', 'L', 'L'}, theirs[64];
    send_all(fd, greeting, 64);
    receive_all(fd, theirs, 64);
    if (theirs[0] != 0xFF || theirs[10] < 3 || memcmp(theirs + 12, "NULL", 5)) fail("not ZMTP 3 with NULL");
    uint8_t ready[256], flags;
    size_t length = strlen(socket_type), size = 0;
    memcpy(ready + size, "\5READY\13Socket-Type\0\0\0", 21), size += 21;
    ready[size++] = (uint8_t)length;
    memcpy(ready + size, socket_type, length), size += length;
    send_frame(fd, 4, ready, size);
    /* No message before the other side is ready too: it would be taken for a broken handshake. */
    size = receive_frame(fd, &flags, ready, sizeof ready);
    if (!(flags & 4) || size < 6 || memcmp(ready, "\5READY", 6)) fail("refused by the other side");
    return fd;
}

/* --- the protocol itself */

static uint64_t number_after(const char *json, const char *name) {
    const char *found = strstr(json, name);
    if (!found) fail(json);
    return strtoull(found + strlen(name), NULL, 10);
}

int main(int count, char **arguments) {
    if (count != 5) fail("usage: foreign_client CONTROL_PORT BITS CYCLES FRAME_CYCLES < SHOT");
    int bits = atoi(arguments[2]), cycles = atoi(arguments[3]), step = atoi(arguments[4]);
    size_t width = (size_t)(bits + 7) / 8, total = width * (size_t)(cycles + 1);
    uint8_t *shot = malloc(total), *message = calloc(1, 65536);
    if (fread(shot, 1, total, stdin) != total) fail("the shot on stdin is too short");

    int control = zmtp_connect(atoi(arguments[1]), "DEALER");
    const char *hello = "{\"type\":\"hello\",\"version\":1,\"stream\":0,\"kind\":\"events\",\"cycle_ns\":0}";
    send_frame(control, 0, (const uint8_t *)hello, strlen(hello));
    size_t size = receive_message(control, message, 65535);
    message[size] = 0;
    char *json = (char *)message;
    if (!strstr(json, "\"ready\"")) fail(json);
    uint64_t session = number_after(json, "\"session\":");
    int data_port = (int)number_after(json, "\"data\":\"tcp://127.0.0.1:");
    int results_port = (int)number_after(json, "\"results\":\"tcp://127.0.0.1:");
    int data = zmtp_connect(data_port, "PUSH"), results = zmtp_connect(results_port, "PULL");

    uint64_t sequence = 0;
    for (int first = 0; first < cycles; first += step) {
        int stop = first + step < cycles ? first + step : cycles, last = stop == cycles;
        memset(message, 0, 64);
        memcpy(message, "QECF", 4);
        put(message + 4, 2, 1);  /* version */
        message[6] = 1;          /* data */
        message[7] = 64;         /* length of the header */
        put(message + 8, 8, session);
        put(message + 18, 2, (uint64_t)((first == 0) | last << 1));
        put(message + 20, 2, (uint64_t)(stop - first));
        message[22] = 1; /* detection events */
        put(message + 32, 8, sequence++);
        put(message + 40, 8, (uint64_t)first);
        put(message + 56, 2, (uint64_t)bits);
        put(message + 58, 2, (uint64_t)(last ? bits : 0));
        size = 64 + width * (size_t)(stop - first + last);
        memcpy(message + 64, shot + width * (size_t)first, size - 64);
        put(message + 60, 4, crc32_of(message, size)); /* while these four bytes are zero */
        send_frame(data, 0, message, size);
    }
    size = receive_message(results, message, 65535);
    if (size < 112 || memcmp(message, "QECF", 4) || message[6] != 2) fail("not a result");
    uint32_t checksum = (uint32_t)get(message + 108, 4);
    put(message + 108, 4, 0);
    if (crc32_of(message, size) != checksum) fail("the result's checksum does not fit");
    if (get(message + 8, 8) != session) fail("the result of another session");
    printf("status %u cycles %u hash %08x flips ", (unsigned)get(message + 18, 2),
           (unsigned)get(message + 48, 8), (unsigned)get(message + 104, 4));
    for (size_t i = 112; i < size; i++) printf("%02x", message[i]);
    printf("\n");
    close(data);
    close(results);
    close(control);
    free(shot);
    free(message);
    return 0;
}
