/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every drop and refusal of the netstack has a counter here. One X-macro list
 * gives the struct and the names; names follow Linux's SNMP and TcpExt names
 * where one exists. Add a line where you add a drop.
 */
#ifndef NETSTACK_NST_COUNTERS_H
#define NETSTACK_NST_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define NST_COUNTERS_BASE(X) \
	X(PktNoMemory)          \
	X(LinkRxMalformed)      \
	X(LinkRxNotForUs)       \
	X(LinkRxUnknownProto)   \
	X(LinkTxNoNic)
#define NST_COUNTERS_IP(X) \
	X(IpInReceives) X(IpInHdrErrors) X(IpInAddrErrors) X(IpInUnknownProtos) \
	X(IpInDiscards) X(IpInDelivers) X(IpOutRequests) X(IpOutDiscards) \
	X(IpOutNoRoutes) X(IpReasmTimeout) X(IpReasmReqds) X(IpReasmOKs) \
	X(IpReasmFails) X(IpReasmOverlaps) X(IpReasmLimit) X(IpFragOKs) \
	X(IpFragFails) X(IpFragCreates) X(IpInCsumErrors) X(IpInTruncatedPkts) \
	X(Ip6InReceives) X(Ip6InHdrErrors) X(Ip6InAddrErrors) \
	X(Ip6InUnknownProtos) X(Ip6InDiscards) X(Ip6InDelivers) \
	X(Ip6OutRequests) X(Ip6OutNoRoutes) X(Ip6InTruncatedPkts) \
	X(IcmpInMsgs) X(IcmpInErrors) X(IcmpInCsumErrors) X(IcmpOutMsgs) \
	X(IcmpOutRateLimit) X(IcmpInDestUnreachs) X(IcmpInTimeExcds) \
	X(IcmpInEchos) X(IcmpInEchoReps) X(IcmpOutDestUnreachs) \
	X(IcmpOutEchoReps) X(IcmpNoMatch) X(Icmp6InMsgs) X(Icmp6InErrors) \
	X(Icmp6InCsumErrors) X(Icmp6OutMsgs) \
	X(NeighUnresolvedDrops) X(NeighFailed) X(NeighTableFull) \
	X(ArpInMalformed) X(ArpConflicts) X(NdpInMalformed) \
	X(NdpInHopLimit) X(NdpInIgnored) X(NdpConflicts) \
	X(IpInMartians) X(IpInSourceRoutes) X(IpForwDisabled) \
	X(Ip6InExtErrors) X(McastInMalformed) X(McastGroupLimit) \
	X(IcmpInIgnored) X(IcmpOutErrors) X(PmtuUpdates)
#define NST_COUNTERS_UDP(X) \
	X(UdpInDatagrams) X(UdpNoPorts) X(UdpInErrors) X(UdpOutDatagrams) \
	X(UdpRcvbufErrors) X(UdpSndbufErrors) X(UdpInCsumErrors) \
	X(UdpMemErrors) X(UdpIgnoredMulti) X(PingInMsgs) \
	X(PingNoSocket) X(RawInMsgs) \
	X(RawRcvbufErrors) X(DgramErrQueueFull)
#define NST_COUNTERS_TCP(X) \
	X(TcpLostRetransmit) X(TcpSACKReneging) X(TcpSACKReorder) \
	X(TcpRenoReorder) X(TcpTSReorder) X(TcpFullUndo) X(TcpPartialUndo) \
	X(TcpDSACKUndo) X(TcpLossUndo) X(TcpRenoFailures) X(TcpSackFailures) \
	X(TcpLossFailures) X(TcpSlowStartRetrans) X(TcpLossProbes) \
	X(TcpLossProbeRecovery) X(TcpRenoRecoveryFail) \
	X(TcpSackRecoveryFail) X(TcpDSACKOfoRecv) X(TcpSACKDiscard) \
	X(TcpDSACKIgnoredOld) X(TcpDSACKIgnoredNoUndo) \
	X(TcpDSACKIgnoredDubious) X(TcpDSACKRecvSegs) X(TcpRetransFail) \
	X(TcpActiveOpens) X(TcpPassiveOpens) X(TcpAttemptFails) \
	X(TcpEstabResets) X(TcpInSegs) X(TcpOutSegs) X(TcpRetransSegs) \
	X(TcpInErrs) X(TcpOutRsts) X(TcpInCsumErrors) X(TcpMalformedOpts) \
	X(TcpListenDrops) X(TcpListenOverflows) X(TcpReqLimit) \
	X(TcpReqTimeouts) X(TcpPAWSDrops) X(TcpChallengeACK) \
	X(TcpChallengeACKLimited) X(TcpSYNChallenge) X(TcpOutOfWindow) \
	X(TcpOfoQueue) X(TcpOfoDrop) X(TcpRcvQDrop) X(TcpDelayedACKs) \
	X(TcpTimeouts) X(TcpFastRetrans) X(TcpSackRecovery) \
	X(TcpRenoRecovery) X(TcpDSACKOldSent) X(TcpDSACKOfoSent) \
	X(TcpDSACKRecv) X(TcpSpuriousRTOs) \
	X(TcpKeepAlive) X(TcpZeroWindowProbe) X(TcpAbortOnData) \
	X(TcpAbortOnClose) X(TcpAbortOnMemory) X(TcpAbortOnTimeout) \
	X(TcpAbortOnLinger) X(TcpTimeWaitOverflow) X(TcpTWRecycled) \
	X(TcpTW) X(TcpRstInWindowOnly) X(TcpAckTooOld) X(TcpAckTooNew) \
	X(TcpDeliveredCE) X(TcpFwdReqs) X(TcpFwdLimit) X(TcpNoListener)
/* Receiving, path MTU. */
#define NST_COUNTERS_TCP_RCV(X) \
	X(TcpOfoMerge) X(TcpOfoPruned) X(TcpPruneCalled) X(TcpRcvPruned) \
	X(TcpRcvCollapsed) X(TcpRcvCoalesce) X(TcpDelayedACKLost) \
	X(TcpAckCompressed) X(TcpZeroWindowDrop) X(TcpToZeroWindowAdv) \
	X(TcpFromZeroWindowAdv) X(TcpWantZeroWindowAdv) \
	X(TcpOutOfWindowIcmps) X(TcpMTUPSuccess) X(TcpMTUPFail) \
	X(TcpGroSegs) X(TcpGroPkts)
/* Congestion control and output. */
#define NST_COUNTERS_TCP_CC(X) \
	X(TcpHystartTrainDetect) X(TcpHystartTrainCwnd) \
	X(TcpHystartDelayDetect) X(TcpHystartDelayCwnd) \
	X(TcpOrigDataSent)
#define NST_COUNTERS_TCP_OPEN(X) \
	X(TcpReqQFullDoCookies) X(TcpReqQFullDrop) X(TcpSyncookiesSent) \
	X(TcpSyncookiesRecv) X(TcpSyncookiesFailed) X(TcpDeferAcceptDrop) \
	X(TcpEmbryonicRsts) X(TcpSynRetrans) X(TcpPAWSActive) \
	X(TcpPAWSOldAck) X(TcpTSEcrRejected) X(TcpBeyondWindow) \
	X(TcpACKSkippedSynRecv) X(TcpACKSkippedPAWS) X(TcpACKSkippedSeq) \
	X(TcpACKSkippedFinWait2) X(TcpACKSkippedTimeWait) \
	X(TcpFastOpenActive) X(TcpFastOpenActiveFail) X(TcpFastOpenPassive) \
	X(TcpFastOpenPassiveFail) X(TcpFastOpenListenOverflow) \
	X(TcpFastOpenCookieReqd) X(TcpFastOpenBlackhole) \
	X(TcpFastOpenPassiveAltKey) X(TcpFastOpenCacheFull)
#define NST_COUNTERS(X) \
	NST_COUNTERS_BASE(X) NST_COUNTERS_IP(X) NST_COUNTERS_UDP(X) \
	NST_COUNTERS_TCP(X) NST_COUNTERS_TCP_RCV(X) \
	NST_COUNTERS_TCP_OPEN(X) NST_COUNTERS_TCP_CC(X)
/* clang-format on */

struct nst_counters {
#define NST_COUNTER_FIELD(name) uint64_t name;
	NST_COUNTERS(NST_COUNTER_FIELD)
#undef NST_COUNTER_FIELD
};

/* Name of the i-th counter, NULL past the last. The struct may be read as an
 * array of uint64_t in the same order. */
const char *nst_counter_name(size_t i);

#endif
