/* Client of the decoder daemon (`qec serve`) in C, also for C++. One header, no library but the sockets of POSIX.
 *
 * Speaks ZMTP 3.0 (the bytes of ZeroMQ) over TCP with the NULL mechanism, and version 1 of the daemon's protocol
 * (docs/pages/protocol.md). One client is one session on one stream, and is used by one thread.
 *
 *     qec_client client;
 *     if (qec_connect(&client, "127.0.0.1", port, 0)) puts(client.error);
 *     qec_send_cycles(&client, rows, 10);               // bit-packed detection events, row by row
 *     qec_finish_shot(&client, readout, &answer);       // the row of the data readout; waits for the correction
 *     qec_close(&client);
 *
 * Functions return 0, or -1 with a message in client.error; after an error only qec_close is allowed.
 */
#ifndef QEC_CLIENT_H
#define QEC_CLIENT_H

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

#define QEC_MAX_MESSAGE 65536
#define QEC_MAX_FLIPS 128 /* bytes of a correction: 1024 observables */
#define QEC_HEADER 64
#define QEC_RESULT_HEADER 112

typedef struct {
    int bits;            /* columns of a cycle's row; a row has (bits + 7) / 8 bytes */
    int final_bits;      /* columns of the row of the data readout */
    int num_observables; /* bits of a correction */
    char error[256];     /* message of the last error */
    /* Private. */
    int control, data, results;
    int stream, max_frame_cycles;
    uint64_t session, sequence, shot, cycle;
    uint8_t message[QEC_MAX_MESSAGE + 1];
} qec_client;

typedef struct {
    int status;                   /* 0: flips are valid; else see the table of the protocol */
    uint64_t cycles;              /* accepted by the daemon */
    uint32_t syndrome_hash;       /* CRC-32 of all rows of the shot, as received */
    uint8_t flips[QEC_MAX_FLIPS]; /* bit k % 8 of byte k / 8: observable k was flipped */
} qec_answer;

static inline int qec_fail(qec_client *client, const char *what) {
    snprintf(client->error, sizeof client->error, "%.255s", what);
    return -1;
}

static inline void qec_put(uint8_t *at, int bytes, uint64_t value) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t qec_get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static inline uint32_t qec_crc32(const uint8_t *data, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* --- ZMTP 3.0 */

static inline int qec_send_all(qec_client *client, int fd, const uint8_t *at, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return qec_fail(client, "the daemon takes no data: send failed");
        at += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static inline int qec_receive_all(qec_client *client, int fd, uint8_t *at, size_t size) {
    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0) return qec_fail(client, "the daemon is silent or gone: nothing received");
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

/* Send one frame; flags 4 is a command, 0 a message. */
static inline int qec_send_frame(qec_client *client, int fd, uint8_t flags, const uint8_t *body, size_t size) {
    uint8_t head[9] = {flags};
    size_t length = 2;
    head[1] = (uint8_t)size;
    if (size > 255) {
        head[0] |= 2; /* a length of eight bytes, most significant first */
        length = 9;
        for (int i = 0; i < 8; i++) head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    }
    return qec_send_all(client, fd, head, length) || qec_send_all(client, fd, body, size) ? -1 : 0;
}

/* Receive one frame into client->message; its size, or -1. */
static inline long qec_receive_frame(qec_client *client, int fd, uint8_t *flags) {
    uint8_t head[9];
    if (qec_receive_all(client, fd, head, 2)) return -1;
    uint64_t size = head[1];
    if (head[0] & 2) {
        if (qec_receive_all(client, fd, head + 2, 7)) return -1;
        size = 0;
        for (int i = 0; i < 8; i++) size = size << 8 | head[1 + i];
    }
    if (size > QEC_MAX_MESSAGE) return qec_fail(client, "a frame of more than 65536 bytes: not a daemon of this protocol");
    if (qec_receive_all(client, fd, client->message, (size_t)size)) return -1;
    client->message[size] = 0;
    *flags = head[0];
    return (long)size;
}

/* Receive one message; a PING in between is answered. */
static inline long qec_receive_message(qec_client *client, int fd) {
    for (;;) {
        uint8_t flags;
        long size = qec_receive_frame(client, fd, &flags);
        if (size < 0 || !(flags & 4)) return size;
        uint8_t *body = client->message;
        if (size >= 7 && memcmp(body, "\4PING", 5) == 0) {
            memmove(body + 5, body + 7, (size_t)size - 7);
            memcpy(body, "\4PONG", 5);
            if (qec_send_frame(client, fd, 4, body, (size_t)size - 2)) return -1;
        }
    }
}

static inline int qec_open(qec_client *client, const char *host, int port, const char *socket_type) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct timeval patience = {10, 0};
    struct sockaddr_in where;
    memset(&where, 0, sizeof where);
    where.sin_family = AF_INET;
    where.sin_port = htons((uint16_t)port);
    if (fd < 0) return qec_fail(client, "no socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint8_t greeting[64] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0, 'N', 'U', 'L', 'L'}, theirs[64];
    uint8_t ready[64], flags;
    size_t length = strlen(socket_type), size = 21;
    memcpy(ready, "\5READY\13Socket-Type\0\0\0", size);
    ready[size++] = (uint8_t)length;
    memcpy(ready + size, socket_type, length);
    size += length;
    long answer;
    if (inet_pton(AF_INET, host, &where.sin_addr) != 1) {
        qec_fail(client, "the host must be an address such as 127.0.0.1");
    } else if (connect(fd, (struct sockaddr *)&where, sizeof where)) {
        qec_fail(client, "cannot connect: is qec serve --bind tcp://... running, and is this its port?");
    } else if (qec_send_all(client, fd, greeting, 64) || qec_receive_all(client, fd, theirs, 64)) {
        /* the message is set */
    } else if (theirs[0] != 0xFF || theirs[10] < 3 || memcmp(theirs + 12, "NULL", 5)) {
        qec_fail(client, "not ZMTP 3 with the NULL mechanism: a daemon without keys is required");
    } else if (qec_send_frame(client, fd, 4, ready, size)) {
        /* the message is set */
    } else if ((answer = qec_receive_frame(client, fd, &flags)) >= 0) {
        /* No message before the other side is ready too: it would be taken for a broken handshake. */
        if ((flags & 4) && answer >= 6 && memcmp(client->message, "\5READY", 6) == 0) return fd;
        qec_fail(client, "the daemon refused the connection");
    }
    close(fd);
    return -1;
}

/* --- the protocol of the daemon */

/* Text after "name": in the answer to hello, NULL if it is missing. */
static inline const char *qec_field(qec_client *client, const char *name) {
    char key[40];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *found = strstr((const char *)client->message, key);
    if (!found) qec_fail(client, (const char *)client->message);
    return found ? found + strlen(key) : NULL;
}

static inline int qec_number(qec_client *client, const char *name, uint64_t *value) {
    const char *text = qec_field(client, name);
    if (text) *value = strtoull(text, NULL, 10);
    return text ? 0 : -1;
}

/* Port of an address such as "tcp://127.0.0.1:5555". */
static inline int qec_port(qec_client *client, const char *name) {
    const char *text = qec_field(client, name), *end = text ? strchr(text + 1 + strspn(text, " "), '"') : NULL;
    while (end && end > text && end[-1] >= '0' && end[-1] <= '9') end--;
    return end ? atoi(end) : -1;
}

static inline void qec_close(qec_client *client) {
    if (client->data >= 0) close(client->data);
    if (client->results >= 0) close(client->results);
    if (client->control >= 0) close(client->control);
    client->data = client->results = client->control = -1;
}

static inline int qec_begin(qec_client *client, const char *host, int port) {
    char hello[128];
    uint64_t value[5];
    client->control = qec_open(client, host, port, "DEALER");
    if (client->control < 0) return -1;
    snprintf(hello, sizeof hello, "{\"type\":\"hello\",\"version\":1,\"stream\":%d,\"kind\":\"events\"}", client->stream);
    if (qec_send_frame(client, client->control, 0, (const uint8_t *)hello, strlen(hello))) return -1;
    if (qec_receive_message(client, client->control) < 0) return -1;
    if (!strstr((const char *)client->message, "\"ready\"")) return qec_fail(client, (const char *)client->message);
    if (qec_number(client, "session", &client->session) || qec_number(client, "bits", &value[0]) ||
        qec_number(client, "final_bits", &value[1]) || qec_number(client, "num_observables", &value[2]) ||
        qec_number(client, "max_frame_cycles", &value[3]))
        return -1;
    client->bits = (int)value[0];
    client->final_bits = (int)value[1];
    client->num_observables = (int)value[2];
    client->max_frame_cycles = (int)value[3];
    int data = qec_port(client, "data"), results = qec_port(client, "results");
    if ((client->num_observables + 7) / 8 > QEC_MAX_FLIPS) return qec_fail(client, "more than 1024 observables");
    client->data = qec_open(client, host, data, "PUSH");
    client->results = client->data < 0 ? -1 : qec_open(client, host, results, "PULL");
    return client->results < 0 ? -1 : 0;
}

/* Connect to the control port of a daemon at an IPv4 address, and begin a session on a stream (logical qubit). */
static inline int qec_connect(qec_client *client, const char *host, int port, int stream) {
    memset(client, 0, sizeof *client);
    client->data = client->results = client->control = -1;
    client->stream = stream;
    if (qec_begin(client, host, port) == 0) return 0;
    qec_close(client);
    return -1;
}

/* Send one frame: `cycles` rows, and the row of the readout if it is the last one. */
static inline int qec_send_rows(qec_client *client, const uint8_t *rows, int cycles, const uint8_t *readout) {
    size_t width = (size_t)(client->bits + 7) / 8, size = width * (size_t)cycles;
    size_t final_size = readout ? (size_t)(client->final_bits + 7) / 8 : 0;
    uint8_t *at = client->message;
    if (QEC_HEADER + size + final_size > QEC_MAX_MESSAGE) return qec_fail(client, "a frame of more than 65536 bytes");
    memset(at, 0, QEC_HEADER);
    memcpy(at, "QECF", 4);
    qec_put(at + 4, 2, 1); /* version */
    at[6] = 1;             /* data */
    at[7] = QEC_HEADER;
    qec_put(at + 8, 8, client->session);
    qec_put(at + 16, 2, (uint64_t)client->stream);
    qec_put(at + 18, 2, (uint64_t)((client->cycle == 0) | (readout ? 2 : 0)));
    qec_put(at + 20, 2, (uint64_t)cycles);
    at[22] = 1; /* detection events */
    qec_put(at + 24, 8, client->shot);
    qec_put(at + 32, 8, client->sequence++);
    qec_put(at + 40, 8, client->cycle);
    qec_put(at + 56, 2, (uint64_t)client->bits);
    qec_put(at + 58, 2, (uint64_t)(readout ? client->final_bits : 0));
    if (size) memcpy(at + QEC_HEADER, rows, size);
    if (readout) memcpy(at + QEC_HEADER + size, readout, final_size);
    size += QEC_HEADER + final_size;
    qec_put(at + 60, 4, qec_crc32(at, size)); /* computed while these four bytes are zero */
    client->cycle += (uint64_t)cycles;
    return qec_send_frame(client, client->data, 0, at, size);
}

/* Send any number of cycles of the present shot, in frames as large as the daemon takes them.
 * rows: (bits + 7) / 8 bytes for each cycle, least significant bit first, bits beyond the last column zero. */
static inline int qec_send_cycles(qec_client *client, const uint8_t *rows, int cycles) {
    size_t width = (size_t)(client->bits + 7) / 8;
    int most = (int)((QEC_MAX_MESSAGE - QEC_HEADER) / (width ? width : 1));
    if (most > client->max_frame_cycles) most = client->max_frame_cycles;
    for (int first = 0; first < cycles; first += most) {
        int count = cycles - first < most ? cycles - first : most;
        if (qec_send_rows(client, rows + width * (size_t)first, count, NULL)) return -1;
    }
    return 0;
}

/* End the shot with the row of the data readout, (final_bits + 7) / 8 bytes, and wait for its answer. */
static inline int qec_finish_shot(qec_client *client, const uint8_t *readout, qec_answer *answer) {
    const uint8_t *at = client->message;
    if (qec_send_rows(client, NULL, 0, readout)) return -1;
    for (;;) {
        long size = qec_receive_message(client, client->results);
        if (size < 0) return -1;
        if (size < QEC_RESULT_HEADER || memcmp(at, "QECF", 4)) return qec_fail(client, "the answer is no result");
        uint32_t checksum = (uint32_t)qec_get(at + 108, 4);
        qec_put(client->message + 108, 4, 0);
        if (qec_crc32(at, (size_t)size) != checksum) return qec_fail(client, "the answer's checksum is wrong");
        if (at[6] == 2 && qec_get(at + 8, 8) == client->session && qec_get(at + 24, 8) == client->shot) {
            size_t flips = (size_t)size - QEC_RESULT_HEADER;
            answer->status = (int)qec_get(at + 18, 2);
            answer->cycles = qec_get(at + 48, 8);
            answer->syndrome_hash = (uint32_t)qec_get(at + 104, 4);
            memset(answer->flips, 0, QEC_MAX_FLIPS);
            memcpy(answer->flips, at + QEC_RESULT_HEADER, flips < QEC_MAX_FLIPS ? flips : QEC_MAX_FLIPS);
            client->shot++;
            client->cycle = 0;
            return 0;
        }
    }
}

#endif
