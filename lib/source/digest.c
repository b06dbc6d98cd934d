/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/digest.h"

#include <openssl/evp.h>

#include "base/cleanup.h"

enum { READ_BYTES = 64 * 1024 };

struct digest {
	EVP_MD_CTX *context;
};

void digest_free(struct digest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

void digest_freep(struct digest **digest)
{
	digest_free(*digest);
}

int digest_new(struct digest **ret, struct err *e)
{
	CLEANUP(digest_freep) struct digest *digest =
		calloc(1, sizeof(*digest));

	if (digest != NULL)
		digest->context = EVP_MD_CTX_new();
	if (digest == NULL || digest->context == NULL ||
	    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1)
		return err_set(e, -ENOMEM, "begin a SHA-256: out of memory");
	*ret = TAKE_PTR(digest);
	return 0;
}

int digest_add(struct digest *digest, const void *bytes, size_t length,
	       struct err *e)
{
	if (EVP_DigestUpdate(digest->context, bytes, length) != 1)
		return err_set(e, -EIO, "OpenSSL cannot go on with a SHA-256");
	return 0;
}

int digest_end(struct digest *digest, char hex[static DIGEST_HEX],
	       struct err *e)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int length;

	if (EVP_DigestFinal_ex(digest->context, raw, &length) != 1 ||
	    length != 32)
		return err_set(e, -EIO, "OpenSSL cannot end a SHA-256");
	for (unsigned int i = 0; i < length; i++)
		snprintf(hex + (size_t)i * 2, 3, "%02x", raw[i]);
	return 0;
}

int digest_bytes(const void *bytes, size_t length, char hex[static DIGEST_HEX],
		 struct err *e)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	int r;

	r = digest_new(&digest, e);
	if (r == 0)
		r = digest_add(digest, bytes, length, e);
	if (r == 0)
		r = digest_end(digest, hex, e);
	return r;
}

static int add_fd(struct digest *digest, int fd, char *buffer, struct err *e)
{
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, buffer, READ_BYTES, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read");
		if (n == 0)
			return 0;
		r = digest_add(digest, buffer, (size_t)n, e);
		if (r < 0)
			return r;
		at += n;
	}
}

int digest_fd(int fd, char hex[static DIGEST_HEX], struct err *e)
{
	CLEANUP(digest_freep) struct digest *digest = NULL;
	CLEANUP(freep) char *buffer = malloc(READ_BYTES);
	int r;

	if (buffer == NULL)
		return err_set(e, -ENOMEM, "out of memory");
	r = digest_new(&digest, e);
	if (r == 0)
		r = add_fd(digest, fd, buffer, e);
	if (r == 0)
		r = digest_end(digest, hex, e);
	return r;
}
