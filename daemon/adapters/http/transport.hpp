// One connected byte stream, plain or TLS, with its certificate checks. Below `Client` only.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/ports/task.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace curfew::http {

class Transport {
public:
    virtual ~Transport() = default;
    /// 0 bytes = the peer ended the stream in order.
    virtual Task<Result<std::size_t>> read_some(std::span<std::byte> into) = 0;
    virtual Task<Result<void>> write(std::string_view bytes) = 0;
    /// Nothing has come since the last read and the peer has not closed: fit for another exchange. Bytes
    /// that nobody asked for would be read as the next answer.
    virtual bool quiet() = 0;
    /// At once; pending operations end with Errc::cancelled.
    virtual void close() = 0;
};

std::unique_ptr<Transport> plain_transport(boost::asio::ip::tcp::socket socket);

/// Trust anchors: the system's store and one extra file. Made once per file, then shared.
class TrustStore;
Result<std::shared_ptr<TrustStore>> load_trust(const std::string& extra_ca_file);

/// Not yet secured: `handshake` first. The name is checked against the certificate's subject
/// alternative names only (no common name, no partial wildcards), an address likewise.
class TlsTransport : public Transport {
public:
    virtual Task<Result<void>> handshake() = 0;
};
std::unique_ptr<TlsTransport> tls_transport(boost::asio::ip::tcp::socket socket,
                                            std::shared_ptr<TrustStore> trust, const std::string& host);

/// Errno and TLS errors as ours; `where` names the peer.
Error network_error(const boost::system::error_code& error, const std::string& where);
/// Was it the peer's certificate that we did not take? Nothing was sent then, and certificates are renewed.
bool is_refused_certificate(const Error& error);

}  // namespace curfew::http
