#include "adapters/http/transport.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace curfew::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::string_view refused_certificate = "the certificate is not trusted or is for another name";

bool nothing_to_read(tcp::socket& socket) {
    char byte = 0;
    const auto got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/// Authorities are read from files while a certificate is judged: without descriptors every one looks unknown.
bool out_of_descriptors() {
    const int spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare >= 0) {
        ::close(spare);
        return false;
    }
    return errno == EMFILE || errno == ENFILE;
}

Error no_descriptors(const std::string& where) {
    return {Errc::unavailable, Retry::later(), "too many open files to read the certificates of authorities",
            where};
}

Error refusal(const std::string& where) {
    return out_of_descriptors()
               ? no_descriptors(where)
               : Error{Errc::unsafe, Retry::never(), std::string{refused_certificate}, where};
}

class Plain final : public Transport {
public:
    explicit Plain(tcp::socket socket) : socket_(std::move(socket)) {}

    Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
        boost::system::error_code error;
        const std::size_t got = co_await socket_.async_read_some(
            asio::buffer(into.data(), into.size()), asio::redirect_error(asio::use_awaitable, error));
        if (error && error != asio::error::eof) {
            co_return std::unexpected(network_error(error, {}));
        }
        co_return got;
    }
    Task<Result<void>> write(std::string_view bytes) override {
        boost::system::error_code error;
        co_await asio::async_write(socket_, asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return std::unexpected(network_error(error, {}));
        }
        co_return Result<void>{};
    }
    bool quiet() override { return nothing_to_read(socket_); }
    void close() override {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

private:
    tcp::socket socket_;
};

}  // namespace

Error network_error(const boost::system::error_code& error, const std::string& where) {
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
        return {Errc::cancelled, Retry::later(), "given up", where};
    }
    const bool certificate = error.category() == asio::error::get_ssl_category() &&
                             ERR_GET_REASON(static_cast<unsigned long>(error.value())) ==
                                 SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (certificate) {
        return refusal(where);
    }
    return {Errc::unavailable, Retry::later(), error.message(), where};
}

bool is_refused_certificate(const Error& error) {
    return error.code == Errc::unsafe && error.text == refused_certificate;
}

std::unique_ptr<Transport> plain_transport(tcp::socket socket) {
    return std::make_unique<Plain>(std::move(socket));
}

class TrustStore {
public:
    TrustStore() : context(asio::ssl::context::tls_client) {}
    asio::ssl::context context;
};

Result<std::shared_ptr<TrustStore>> load_trust(const std::string& extra_ca_file) {
    auto trust = std::make_shared<TrustStore>();
    boost::system::error_code error;
    trust->context.set_default_verify_paths(error);
    if (out_of_descriptors()) {  // then nothing was read, and nothing was said
        return std::unexpected(no_descriptors("the system's certificates"));
    }
    SSL_CTX_set_min_proto_version(trust->context.native_handle(), TLS1_2_VERSION);
    trust->context.set_verify_mode(asio::ssl::verify_peer, error);
    if (!extra_ca_file.empty()) {
        trust->context.load_verify_file(extra_ca_file, error);
        if (error && out_of_descriptors()) {
            return std::unexpected(no_descriptors(extra_ca_file));
        }
        if (error) {
            return fail(Errc::invalid, "cannot read CA certificates: " + error.message(), extra_ca_file);
        }
    }
    return trust;
}

namespace {

class Tls final : public TlsTransport {
public:
    Tls(tcp::socket socket, std::shared_ptr<TrustStore> trust, std::string host)
        : trust_(std::move(trust)), host_(std::move(host)), stream_(std::move(socket), trust_->context) {}

    Task<Result<void>> handshake() override {
        if (!bind_name()) {
            co_return fail(Errc::internal, "cannot set the name to check", host_);
        }
        boost::system::error_code error;
        co_await stream_.async_handshake(asio::ssl::stream_base::client,
                                         asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            // A forged signature comes as an error of the library's arithmetic, not of verification.
            const bool refused = SSL_get_verify_result(stream_.native_handle()) != X509_V_OK;
            co_return std::unexpected(refused ? refusal(host_) : network_error(error, host_));
        }
        co_return Result<void>{};
    }
    Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
        boost::system::error_code error;
        const std::size_t got = co_await stream_.async_read_some(
            asio::buffer(into.data(), into.size()), asio::redirect_error(asio::use_awaitable, error));
        if (error && error != asio::error::eof) {
            co_return std::unexpected(network_error(error, host_));  // truncation included
        }
        co_return got;
    }
    Task<Result<void>> write(std::string_view bytes) override {
        boost::system::error_code error;
        co_await asio::async_write(stream_, asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_return std::unexpected(network_error(error, host_));
        }
        co_return Result<void>{};
    }
    bool quiet() override {
        return SSL_pending(stream_.native_handle()) == 0 && nothing_to_read(stream_.next_layer());
    }
    void close() override {
        boost::system::error_code ignored;
        stream_.next_layer().close(ignored);  // no farewell: peers hang in it
    }

private:
    bool bind_name() {
        SSL* ssl = stream_.native_handle();
        X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
        static constexpr std::array<unsigned char, 9> http11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
        SSL_set_alpn_protos(ssl, http11.data(), http11.size());
        boost::system::error_code not_an_address;
        asio::ip::make_address(host_, not_an_address);
        if (!not_an_address) {
            return X509_VERIFY_PARAM_set1_ip_asc(param, host_.c_str()) == 1;
        }
        X509_VERIFY_PARAM_set_hostflags(
            param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        std::string sni = host_;
        return X509_VERIFY_PARAM_set1_host(param, host_.data(), host_.size()) == 1 &&
               SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni.data()) == 1;
    }

    std::shared_ptr<TrustStore> trust_;
    std::string host_;
    asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<TlsTransport> tls_transport(tcp::socket socket, std::shared_ptr<TrustStore> trust,
                                            const std::string& host) {
    return std::make_unique<Tls>(std::move(socket), std::move(trust), host);
}

}  // namespace curfew::http
