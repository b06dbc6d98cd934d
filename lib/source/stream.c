/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/stream.h"

int stream_put(struct stream *stream, size_t length, struct err *e)
{
	if (length > stream->bytes_left)
		return err_set(e, -EFBIG,
			       "unpacks to more than it may; if that is no mistake, unpack it by hand and name the directory");
	stream->bytes_left -= length;
	if (length > 0)
		queue_put(stream->queue, length);
	return 0;
}
