#include "network/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <stdexcept>

namespace network {

namespace {

void must(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string{"certificate: "} + what);
    }
}

void extend(X509* x509, X509* issuer, int kind, const std::string& value) {
    if (value.empty()) {
        return;
    }
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    must(extension != nullptr && X509_add_ext(x509, extension, -1) == 1, value.c_str());
    X509_EXTENSION_free(extension);
}

void add_raw_name(X509* x509, const std::string& bytes) {
    GENERAL_NAMES* names = GENERAL_NAMES_new();
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    must(ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) == 1, "a raw name");
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    must(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1, "a raw name");
    GENERAL_NAMES_free(names);
}

void add_unknown(X509* x509) {
    ASN1_OBJECT* kind = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    must(ASN1_OCTET_STRING_set(value, reinterpret_cast<const unsigned char*>("x"), 1) == 1, "a value");
    X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, kind, 1, value);
    must(X509_add_ext(x509, extension, -1) == 1, "an unknown extension");
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(kind);
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
}

}  // namespace

Certificate make(const Recipe& recipe, const Certificate* issuer) {
    static long serial = 1000;
    Certificate made;
    made.key.reset(
        recipe.rsa_bits > 0 ? EVP_RSA_gen(static_cast<unsigned>(recipe.rsa_bits)) : EVP_EC_gen("P-256"),
        EVP_PKEY_free);
    made.x509.reset(X509_new(), X509_free);
    X509* x509 = made.x509.get();
    must(x509 != nullptr && made.key, "no memory");
    X509* signer = issuer != nullptr ? issuer->x509.get() : x509;
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), recipe.from_s);
    X509_gmtime_adj(X509_getm_notAfter(x509), recipe.to_s);
    X509_NAME* name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(recipe.name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(signer));
    X509_set_pubkey(x509, made.key.get());
    extend(x509, signer, NID_basic_constraints, recipe.basic);
    extend(x509, signer, NID_key_usage, recipe.usage);
    extend(x509, signer, NID_ext_key_usage, recipe.extended);
    extend(x509, signer, NID_name_constraints, recipe.constraints);
    extend(x509, signer, NID_subject_alt_name, recipe.alternatives);
    if (!recipe.raw_alternative.empty()) {
        add_raw_name(x509, recipe.raw_alternative);
    }
    if (recipe.unknown_critical) {
        add_unknown(x509);
    }
    EVP_PKEY* by = issuer != nullptr ? issuer->key.get() : made.key.get();
    must(X509_sign(x509, by, EVP_get_digestbyname(recipe.digest.c_str())) > 0, "signing");
    if (recipe.damaged) {
        const ASN1_BIT_STRING* signature = nullptr;
        X509_get0_signature(&signature, nullptr, x509);
        const_cast<unsigned char*>(signature->data)[signature->length / 2] ^= 1U;
    }
    return made;
}

std::string pem_of(const std::vector<Certificate>& chain) {
    BIO* bio = BIO_new(BIO_s_mem());
    for (const Certificate& certificate : chain) {
        PEM_write_bio_X509(bio, certificate.x509.get());
    }
    return text_of(bio);
}

std::string key_pem_of(const Certificate& certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, certificate.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio);
}

Identity::Identity(const std::string& alternatives) {
    const Certificate root = make({.name = "Root", .basic = "critical,CA:TRUE"});
    const Certificate leaf = make({.alternatives = alternatives}, &root);
    std::ofstream(in("ca.pem")) << pem_of({root});
    std::ofstream(in("leaf.pem")) << pem_of({leaf});
    std::ofstream(in("leaf.key")) << key_pem_of(leaf);
}

}  // namespace network
