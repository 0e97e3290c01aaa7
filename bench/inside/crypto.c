/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.c - the bench's work for OpenSSL's libcrypto, as "openssl speed" has
 * it, but so much work and not so much time:
 *
 *	crypto cipher NAME MIB		encrypt in place, 16 KiB at a time
 *	crypto digest NAME MIB
 *	crypto sign KEY TIMES		sign and verify with the key in a file
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t buf[16384];

static void must(int ok)
{
	if (ok > 0)
		return;
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void show(const uint8_t *data, size_t n)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int size;

	must(EVP_Digest(data, n, sum, &size, EVP_sha256(), NULL));
	for (unsigned int i = 0; i < size; i++)
		printf("%02x", sum[i]);
	printf("\n");
}

static void cipher(const char *name, long mib)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t key[EVP_MAX_KEY_LENGTH] = "the key", iv[16] = "and the iv";

	must(EVP_EncryptInit(c, EVP_get_cipherbyname(name), key, iv));
	for (long i = 0; i < mib << 6; i++) {
		int n;

		must(EVP_EncryptUpdate(c, buf, &n, buf, sizeof(buf)));
	}
	show(buf, sizeof(buf));
}

static void digest(const char *name, long mib)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n;

	must(EVP_DigestInit(c, EVP_get_digestbyname(name)));
	for (long i = 0; i < mib << 6; i++)
		must(EVP_DigestUpdate(c, buf, sizeof(buf)));
	must(EVP_DigestFinal(c, sum, &n));
	show(sum, n);
}

/* PKCS #1 v1.5 padding, the default, makes the same signature each time. */
static void sign(const char *file, long times)
{
	FILE *f = fopen(file, "r");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	must(!!key);
	for (long i = 0; i < times; i++) {
		EVP_MD_CTX *c = EVP_MD_CTX_new();
		size_t n = sizeof(buf);

		must(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key));
		must(EVP_DigestSign(c, buf, &n, (uint8_t *)&i, sizeof(i)));
		EVP_MD_CTX_free(c);
		c = EVP_MD_CTX_new();
		must(EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key));
		must(EVP_DigestVerify(c, buf, n, (uint8_t *)&i, sizeof(i)));
		EVP_MD_CTX_free(c);
	}
	show(buf, sizeof(buf));
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 1;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8));
	if (!strcmp(argv[1], "cipher"))
		cipher(argv[2], atol(argv[3]));
	else if (!strcmp(argv[1], "digest"))
		digest(argv[2], atol(argv[3]));
	else
		sign(argv[2], atol(argv[3]));
	return 0;
}
