#include "certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

namespace emulator {
namespace {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;

void must(bool ok, const char* what) {
    if (!ok) {
        throw std::runtime_error{std::string{"TLS set-up failed: "} + what};
    }
}

Key make_key() {
    Key key{EVP_EC_gen("P-256")};
    must(key != nullptr, "key");
    return key;
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>> extension{
        X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str())};
    must(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

Certificate make_certificate(EVP_PKEY* key, const std::string& name) {
    Certificate certificate{X509_new()};
    must(certificate != nullptr, "certificate");
    X509* raw = certificate.get();
    X509_set_version(raw, X509_VERSION_3);
    unsigned char bytes[8];
    must(RAND_bytes(bytes, sizeof bytes) == 1, "random");
    std::uint64_t serial = 0;
    for (const unsigned char byte : bytes) {
        serial = (serial << 8) | byte;
    }
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial >> 1);
    // The clients' clocks may be virtual ones, years away from the real time.
    ASN1_TIME_set_string_X509(X509_getm_notBefore(raw), "20000101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(raw), "20991231235959Z");
    X509_set_pubkey(raw, key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(raw), "CN", MBSTRING_ASC,
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's text type
        reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    return certificate;
}

}  // namespace

boost::asio::ssl::context make_tls(const std::string& ca_file, const std::string& domain) {
    const Key ca_key = make_key();
    const Certificate ca = make_certificate(ca_key.get(), "Curfew emulator test authority");
    X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
    extend(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    extend(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(ca.get(), ca.get(), NID_subject_key_identifier, "hash");
    must(X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0, "signature");

    const Key leaf_key = make_key();
    const Certificate leaf = make_certificate(leaf_key.get(), domain);
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get()));
    extend(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE");
    extend(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature");
    extend(leaf.get(), ca.get(), NID_ext_key_usage, "serverAuth");
    extend(leaf.get(), ca.get(), NID_subject_key_identifier, "hash");
    extend(leaf.get(), ca.get(), NID_authority_key_identifier, "keyid");
    extend(leaf.get(), ca.get(), NID_subject_alt_name, "DNS:*." + domain + ",DNS:" + domain);
    must(X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) > 0, "signature");

    std::unique_ptr<std::FILE, Deleter<std::fclose>> file{std::fopen(ca_file.c_str(), "we")};
    must(file != nullptr && PEM_write_X509(file.get(), ca.get()) == 1, "ca.pem");

    boost::asio::ssl::context context{boost::asio::ssl::context::tls_server};
    must(SSL_CTX_use_certificate(context.native_handle(), leaf.get()) == 1, "leaf");
    must(SSL_CTX_use_PrivateKey(context.native_handle(), leaf_key.get()) == 1, "leaf key");
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    return context;
}

}  // namespace emulator
