/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/addr_kind.h"

bool addr_is_loopback(const struct nst_addr *a)
{
	static const uint8_t lo6[16] = {[15] = 1};

	if (a->family == 6)
		return !memcmp(a->b, lo6, 16);
	return a->b[0] == 127;
}

bool addr_is_v4mapped(const struct nst_addr *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return a->family == 6 && !memcmp(a->b, prefix, sizeof(prefix));
}

bool addr_is_mcast_local(const struct nst_addr *a)
{
	if (!addr_is_mcast(a))
		return false;
	if (a->family == 6)
		return (a->b[1] & 15) <= 2;
	return a->b[0] == 224 && a->b[1] == 0 && a->b[2] == 0;
}

uint8_t addr_scope6(const struct nst_addr *a)
{
	if (addr_is_mcast(a))
		return a->b[1] & 15;
	if (addr_is_linklocal6(a) || addr_is_loopback(a))
		return 2;
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0)
		return 5;
	return 14;
}

bool addr_in_prefix(const struct nst_addr *a, const struct nst_addr *net,
		    uint8_t prefix_len)
{
	return a->family == net->family &&
	       addr_common_bits(a, net) >= prefix_len;
}

uint8_t addr_common_bits(const struct nst_addr *a, const struct nst_addr *b)
{
	size_t n = addr_bytes(a);

	for (size_t i = 0; i < n; i++) {
		uint8_t x = a->b[i] ^ b->b[i];

		if (x)
			return (uint8_t)(i * 8 + (size_t)__builtin_clz(x) - 24);
	}
	return (uint8_t)(n * 8);
}

void addr_mask(struct nst_addr *a, uint8_t prefix_len)
{
	for (size_t i = 0; i < 16; i++) {
		size_t keep = prefix_len > i * 8 ? prefix_len - i * 8 : 0;

		if (keep < 8)
			a->b[i] &= (uint8_t)(0xff00u >> keep);
	}
	a->scope = 0;
}

void addr_solicited_node(const struct nst_addr *a, struct nst_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->family = 6;
	out->b[0] = 0xff;
	out->b[1] = 2;
	out->b[11] = 1;
	out->b[12] = 0xff;
	memcpy(out->b + 13, a->b + 13, 3);
}

void addr_linklocal_eui64(const uint8_t mac[6], struct nst_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->family = 6;
	out->b[0] = 0xfe;
	out->b[1] = 0x80;
	memcpy(out->b + 8, mac, 3);
	out->b[8] ^= 2;
	out->b[11] = 0xff;
	out->b[12] = 0xfe;
	memcpy(out->b + 13, mac + 3, 3);
}

void addr_mcast_mac(const struct nst_addr *group, uint8_t mac[6])
{
	if (group->family == 6) {
		mac[0] = 0x33;
		mac[1] = 0x33;
		memcpy(mac + 2, group->b + 12, 4);
		return;
	}
	mac[0] = 1;
	mac[1] = 0;
	mac[2] = 0x5e;
	memcpy(mac + 3, group->b + 1, 3);
	mac[3] &= 0x7f;
}
