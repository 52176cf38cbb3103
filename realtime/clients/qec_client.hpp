// Client of the decoder daemon in C++17: qec_client.h with exceptions and vectors.
#ifndef QEC_CLIENT_HPP
#define QEC_CLIENT_HPP

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "qec_client.h"

namespace qec {

struct Answer {
    int status;                 // 0: flips are valid; else see the table of the protocol
    std::uint64_t cycles;       // accepted by the daemon
    std::uint32_t syndrome_hash;  // CRC-32 of all rows of the shot, as received
    std::vector<bool> flips;    // one for each observable
};

// One session on one stream of a daemon; used by one thread. All functions throw std::runtime_error.
class Client {
  public:
    // Connect to the control port of a daemon at an IPv4 address.
    explicit Client(int port, const std::string &host = "127.0.0.1", int stream = 0)
        : client_(std::make_unique<qec_client>()) {
        check(qec_connect(client_.get(), host.c_str(), port, stream));
    }
    // Connect to a control address, tcp://127.0.0.1:5555 or ipc:///path; with a digest only to a daemon of this model.
    explicit Client(const std::string &address, int stream = 0, const std::string &model_digest = "")
        : client_(std::make_unique<qec_client>()) {
        check(qec_connect_to(client_.get(), address.c_str(), stream, model_digest.empty() ? nullptr : model_digest.c_str()));
    }
    ~Client() {
        if (client_) qec_close(client_.get());
    }
    Client(Client &&) noexcept = default;
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;
    Client &operator=(Client &&) = delete;

    // Bytes of a cycle's row, and of the row of the data readout.
    std::size_t row_bytes() const { return static_cast<std::size_t>(client_->bits + 7) / 8; }
    std::size_t readout_bytes() const { return static_cast<std::size_t>(client_->final_bits + 7) / 8; }
    int num_observables() const { return client_->num_observables; }

    // Send any number of cycles: bit-packed rows, one after the other.
    void send(const std::vector<std::uint8_t> &rows) {
        if (rows.size() % row_bytes())
            throw std::runtime_error(std::to_string(rows.size()) + " bytes: must be rows of " +
                                     std::to_string(row_bytes()) + " bytes");
        check(qec_send_cycles(client_.get(), rows.data(), static_cast<int>(rows.size() / row_bytes())));
    }

    // End the shot with the row of the data readout; wait for the correction.
    Answer finish(const std::vector<std::uint8_t> &readout) {
        qec_answer raw;
        if (readout.size() != readout_bytes())
            throw std::runtime_error(std::to_string(readout.size()) + " bytes: the readout's row has " +
                                     std::to_string(readout_bytes()));
        check(qec_finish_shot(client_.get(), readout.data(), &raw));
        Answer answer{raw.status, raw.cycles, raw.syndrome_hash, {}};
        for (int k = 0; k < num_observables(); k++) answer.flips.push_back(raw.flips[k / 8] >> (k % 8) & 1);
        return answer;
    }

  private:
    void check(int result) const {
        if (result) throw std::runtime_error(client_->error);
    }
    std::unique_ptr<qec_client> client_;
};

}  // namespace qec

#endif
