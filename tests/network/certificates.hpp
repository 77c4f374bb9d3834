// Certificates with every fault one can have, made on the spot. For tests only: keys are as weak as asked for.
#pragma once

#include "integration/http/server.hpp"
#include "support/folder.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace network {

struct Recipe {
    std::string name = "ignored";  // common name
    std::string alternatives;      // "DNS:a.test,IP:127.0.0.1"
    std::string raw_alternative;   // one DNS name with these very bytes
    std::string basic = "critical,CA:FALSE";
    std::string usage;        // keyUsage
    std::string extended;     // extendedKeyUsage
    std::string constraints;  // nameConstraints
    bool unknown_critical = false;
    long from_s = -3600;  // relative to now
    long to_s = 30L * 24 * 3600;
    std::string digest = "SHA256";
    int rsa_bits = 0;      // 0 = P-256
    bool damaged = false;  // a bit of the signature is another one
};

struct Certificate {
    std::shared_ptr<X509> x509;
    std::shared_ptr<EVP_PKEY> key;
};

/// Signed by `issuer`, or by itself.
Certificate make(const Recipe& recipe, const Certificate* issuer = nullptr);

/// PEM of the certificates in this order.
std::string pem_of(const std::vector<Certificate>& chain);
std::string key_pem_of(const Certificate& certificate);

/// A certificate for these names and the authority that vouches for it, as the files of a server and of a client.
class Identity {
public:
    explicit Identity(const std::string& alternatives);
    support::ServerTls tls() const { return {.certificate = in("leaf.pem"), .key = in("leaf.key")}; }
    std::string ca_file() const { return in("ca.pem"); }

private:
    std::string in(const std::string& name) const { return folder_.path + "/" + name; }

    support::Folder folder_{"identity"};
};

}  // namespace network
