/* Client of the decoder daemon (`qec serve`) in C, also for C++. One header, no library but the sockets of POSIX.
 *
 * Speaks ZMTP 3.0 (the bytes of ZeroMQ) over TCP or a Unix socket, without encryption, and version 2 of the
 * daemon's protocol (docs/pages/protocol.md). One client is one session on one stream, and is used by one thread.
 *
 *     qec_client client;
 *     if (qec_connect_to(&client, "ipc:///folder/control", 0, NULL)) puts(client.error);
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
#include <sys/un.h>
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
    char address[128]; /* of the control socket */
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

/* Connect to an address, "tcp://127.0.0.1:5555" or "ipc:///path". */
static inline int qec_dial(qec_client *client, const char *address) {
    struct sockaddr_in inet;
    struct sockaddr_un unix_address;
    struct sockaddr *where = (struct sockaddr *)&inet;
    socklen_t size = sizeof inet;
    struct timeval patience = {10, 0};
    char host[64] = "";
    const char *colon = strrchr(address, ':');
    int one = 1, is_ipc = strncmp(address, "ipc://", 6) == 0;
    memset(&inet, 0, sizeof inet);
    memset(&unix_address, 0, sizeof unix_address);
    if (is_ipc) {
        if (strlen(address + 6) >= sizeof unix_address.sun_path) return qec_fail(client, "the path of the address is too long");
        unix_address.sun_family = AF_UNIX;
        strcpy(unix_address.sun_path, address + 6);
        where = (struct sockaddr *)&unix_address;
        size = sizeof unix_address;
    } else {
        if (strncmp(address, "tcp://", 6) == 0 && colon > address + 5 && (size_t)(colon - address - 6) < sizeof host)
            memcpy(host, address + 6, (size_t)(colon - address - 6));
        inet.sin_family = AF_INET;
        inet.sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
        if (inet_pton(AF_INET, host, &inet.sin_addr) != 1)
            return qec_fail(client, "the address must be like tcp://127.0.0.1:5555 or ipc:///path");
    }
    int fd = socket(where->sa_family, SOCK_STREAM, 0);
    if (fd < 0) return qec_fail(client, "no socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!is_ipc) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, where, size) == 0) return fd;
    close(fd);
    return qec_fail(client, "cannot connect: is qec serve --bind running, and is this its address?");
}

static inline size_t qec_put_text(uint8_t *at, const char *text) {
    at[0] = (uint8_t)strlen(text);
    memcpy(at + 1, text, at[0]);
    return (size_t)at[0] + 1;
}

/* Exchange handshake commands: send one, and receive the one with this name. */
static inline int qec_exchange(qec_client *client, int fd, const uint8_t *command, size_t size, const char *name) {
    uint8_t flags, expected[16];
    size_t length = qec_put_text(expected, name);
    if (qec_send_frame(client, fd, 4, command, size)) return -1;
    long answer = qec_receive_frame(client, fd, &flags);
    if (answer < 0) return -1;
    if ((flags & 4) && answer >= (long)length && memcmp(client->message, expected, length) == 0) return 0;
    return qec_fail(client, "the daemon refused the connection");
}

/* Open a ZMTP connection; with a token by the mechanism PLAIN, with NULL by the mechanism NULL. */
static inline int qec_open(qec_client *client, const char *address, const char *socket_type, const char *token) {
    uint8_t greeting[64] = {0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0}, theirs[64], command[160];
    const char *mechanism = token ? "PLAIN" : "NULL";
    int fd = qec_dial(client, address), failed;
    if (fd < 0) return -1;
    strcpy((char *)greeting + 12, mechanism);
    failed = qec_send_all(client, fd, greeting, 64) || qec_receive_all(client, fd, theirs, 64);
    if (!failed && (theirs[0] != 0xFF || theirs[10] < 3 || memcmp(theirs + 12, mechanism, strlen(mechanism) + 1)))
        failed = qec_fail(client, "not ZMTP 3 without encryption: a daemon without keys is required");
    if (!failed && token) {
        size_t size = qec_put_text(command, "HELLO");
        size += qec_put_text(command + size, "session");
        size += qec_put_text(command + size, token);
        failed = qec_exchange(client, fd, command, size, "WELCOME");
    }
    if (!failed) {
        size_t size = qec_put_text(command, token ? "INITIATE" : "READY");
        size += qec_put_text(command + size, "Socket-Type");
        memset(command + size, 0, 3); /* a length of four bytes, most significant first */
        size += 3 + qec_put_text(command + size + 3, socket_type);
        /* No message before the other side is ready too: it would be taken for a broken handshake. */
        failed = qec_exchange(client, fd, command, size, "READY");
    }
    if (!failed) return fd;
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

/* Copy a string of the answer. */
static inline int qec_text(qec_client *client, const char *name, char *text, size_t size) {
    const char *from = qec_field(client, name);
    const char *end = from && (from = strchr(from, '"')) ? strchr(from + 1, '"') : NULL;
    if (!end || (size_t)(end - from) > size || memchr(from, '\\', (size_t)(end - from)))
        return qec_fail(client, "the answer to hello is not understood");
    memcpy(text, from + 1, (size_t)(end - from) - 1);
    text[end - from - 1] = 0;
    return 0;
}

/* Address of a session's socket; over TCP at the host of the control socket. */
static inline int qec_socket_address(qec_client *client, const char *name, char *address, size_t size) {
    char found[128];
    if (qec_text(client, name, found, sizeof found)) return -1;
    if (strncmp(found, "tcp://", 6) == 0) {
        int host = (int)(strrchr(client->address, ':') - client->address);
        snprintf(address, size, "%.*s%.16s", host, client->address, strrchr(found, ':'));
    } else {
        snprintf(address, size, "%s", found);
    }
    return 0;
}

/* Send a control message, JSON such as {"type":"describe"}, and return the answer's text until the next call; NULL
 * after an error. A refusal is an answer, too: {"type":"error","message":...}. */
static inline const char *qec_ask(qec_client *client, const char *json) {
    if (qec_send_frame(client, client->control, 0, (const uint8_t *)json, strlen(json))) return NULL;
    return qec_receive_message(client, client->control) < 0 ? NULL : (const char *)client->message;
}

static inline void qec_close(qec_client *client) {
    if (client->data >= 0) close(client->data);
    if (client->results >= 0) close(client->results);
    if (client->control >= 0) close(client->control);
    client->data = client->results = client->control = -1;
}

static inline int qec_begin(qec_client *client, const char *model_digest) {
    char hello[192], token[64], data[128], results[128];
    uint64_t value[4];
    client->control = qec_open(client, client->address, "DEALER", NULL);
    if (client->control < 0) return -1;
    snprintf(hello, sizeof hello, "{\"type\":\"hello\",\"version\":2,\"stream\":%d,\"kind\":\"events\"%s%.32s%s}", client->stream,
             model_digest ? ",\"model_digest\":\"" : "", model_digest ? model_digest : "", model_digest ? "\"" : "");
    const char *answer = qec_ask(client, hello);
    if (!answer) return -1;
    if (!strstr(answer, "\"ready\"")) return qec_fail(client, answer);
    if (qec_number(client, "session", &client->session) || qec_number(client, "bits", &value[0]) ||
        qec_number(client, "final_bits", &value[1]) || qec_number(client, "num_observables", &value[2]) ||
        qec_number(client, "max_frame_cycles", &value[3]) || qec_text(client, "token", token, sizeof token) ||
        qec_socket_address(client, "data", data, sizeof data) ||
        qec_socket_address(client, "results", results, sizeof results))
        return -1;
    client->bits = (int)value[0];
    client->final_bits = (int)value[1];
    client->num_observables = (int)value[2];
    client->max_frame_cycles = (int)value[3];
    if ((client->num_observables + 7) / 8 > QEC_MAX_FLIPS) return qec_fail(client, "more than 1024 observables");
    client->data = qec_open(client, data, "PUSH", token);
    client->results = client->data < 0 ? -1 : qec_open(client, results, "PULL", token);
    return client->results < 0 ? -1 : 0;
}

/* Connect to the control address of a daemon, "tcp://127.0.0.1:5555" or "ipc:///path", and begin a session on a stream
 * (logical qubit). With a model_digest (from `describe`, or of an earlier run) a daemon of another model refuses; NULL
 * accepts any. */
static inline int qec_connect_to(qec_client *client, const char *address, int stream, const char *model_digest) {
    memset(client, 0, sizeof *client);
    client->data = client->results = client->control = -1;
    client->stream = stream;
    snprintf(client->address, sizeof client->address, "%.127s", address);
    if (qec_begin(client, model_digest) == 0) return 0;
    qec_close(client);
    return -1;
}

/* Connect to the control port of a daemon at an IPv4 address. */
static inline int qec_connect(qec_client *client, const char *host, int port, int stream) {
    char address[128];
    snprintf(address, sizeof address, "tcp://%.63s:%d", host, port);
    return qec_connect_to(client, address, stream, NULL);
}

/* Send one frame: `cycles` rows, and the row of the readout if it is the last one.
 * flags: 16 if the readout is in the second basis, 32 if its outcome is awaited, for programs; else 0. */
static inline int qec_send_flagged(qec_client *client, const uint8_t *rows, int cycles, const uint8_t *readout, int flags) {
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
    qec_put(at + 18, 2, (uint64_t)((client->cycle == 0) | (readout ? 2 : 0) | flags));
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

static inline int qec_send_rows(qec_client *client, const uint8_t *rows, int cycles, const uint8_t *readout) {
    return qec_send_flagged(client, rows, cycles, readout, 0);
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

/* Wait for the answer to the present shot, and begin the next one. */
static inline int qec_receive_answer(qec_client *client, qec_answer *answer) {
    const uint8_t *at = client->message;
    for (;;) {
        long size = qec_receive_message(client, client->results);
        if (size < 0) return -1;
        if (size < QEC_RESULT_HEADER || memcmp(at, "QECF", 4)) return qec_fail(client, "the answer is no result");
        uint32_t checksum = (uint32_t)qec_get(at + 108, 4);
        qec_put(client->message + 108, 4, 0);
        if (qec_crc32(at, (size_t)size) != checksum) return qec_fail(client, "the answer's checksum is wrong");
        if ((at[6] == 2 || at[6] == 4) && qec_get(at + 8, 8) == client->session && qec_get(at + 24, 8) == client->shot) {
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

/* End the shot with the row of the data readout, (final_bits + 7) / 8 bytes, and wait for its answer. */
static inline int qec_finish_shot(qec_client *client, const uint8_t *readout, qec_answer *answer) {
    return qec_send_rows(client, NULL, 0, readout) || qec_receive_answer(client, answer) ? -1 : 0;
}

/* Programs. Open: tell the daemon, of version 1, that decisions will wait for outcomes of this session. */
static inline int qec_open_program(qec_client *client) {
    char text[160];
    snprintf(text, sizeof text, "{\"type\":\"open\",\"version\":1,\"stream\":%d,\"session\":%llu}", client->stream,
             (unsigned long long)client->session);
    const char *answer = qec_ask(client, text);
    if (!answer) return -1;
    return strstr(answer, "\"opened\"") ? 0 : qec_fail(client, "the daemon refused to open a program: serve a patch");
}

/* Decide: measure the patch in basis 0 (z) or 1 (x), and wait for the outcome, bit `basis` of the flips. */
static inline int qec_decide(qec_client *client, const uint8_t *readout, int basis, qec_answer *answer) {
    return qec_send_flagged(client, NULL, 0, readout, 32 | (basis ? 16 : 0)) || qec_receive_answer(client, answer) ? -1 : 0;
}

/* Acted: report the time from the decision needed to the action, for the daemon's statistics. Not while time counts. */
static inline int qec_acted(qec_client *client, uint64_t reaction_ns) {
    char text[192];
    snprintf(text, sizeof text, "{\"type\":\"acted\",\"stream\":%d,\"session\":%llu,\"reactions_ns\":[%llu]}",
             client->stream, (unsigned long long)client->session, (unsigned long long)reaction_ns);
    return qec_ask(client, text) ? 0 : -1;
}

#endif
