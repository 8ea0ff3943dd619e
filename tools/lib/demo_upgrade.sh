# SPDX-License-Identifier: Apache-2.0
# tools/demo --upgrade, as a part of tools/demo: nginx runs.

url=http://10.0.2.2:$port/big
head -c 100000000 /dev/urandom >"$work/www/big"
chmod a+r "$work/www/big"
export XDG_RUNTIME_DIR=$work # for the control socket

# Milliseconds since 1970.
now_ms() {
	date +%s%3N
}

say "1. curl downloads 100 MB at 200 Mbit/s, in a sandbox called demo"
cp "$cordon" "$work/cordon"
echo "\$ cordon run --name demo --host-loopback --netem rate=200mbit,delay=1ms \\"
echo "      --pcap demo.pcapng -- curl -o big $url"
"$work/cordon" run --name demo --host-loopback \
	--netem rate=200mbit,delay=1ms --pcap "$work/demo.pcapng" -- \
	curl -sS --max-time 60 -o "$work/big" "$url" &
guest=$!
until [ "$(stat -c %s "$work/big" 2>/dev/null || echo 0)" -gt 20000000 ]; do
	kill -0 $guest 2>/dev/null || die "the download did not start"
	sleep 0.02
done

say "2. a new cordon is installed over the old one; the sandbox is upgraded"
cp "$cordon" "$work/cordon.new"
mv "$work/cordon.new" "$work/cordon"
before=$(now_ms)
echo "\$ cordon upgrade demo"
echo "   (with $(stat -c %s "$work/big") bytes downloaded)"
"$cordon" upgrade demo
after=$(now_ms)

say "3. the download runs on"
wait $guest || die "curl failed"
cmp "$work/www/big" "$work/big" || die "the file differs"
sha256sum "$work/www/big" "$work/big" | sed "s|$work/||"

say "   the capture went on too; the packets around the gap"
tcpdump -n -tt -r "$work/demo.pcapng" 2>/dev/null |
	python3 -c '
import sys
before, after = (int(a) / 1000 for a in sys.argv[1:])
lines = [l.rstrip() for l in sys.stdin]
times = [float(l.split()[0]) for l in lines]
gap, at = max((times[i] - times[i - 1], i) for i in range(1, len(lines))
              if times[i] >= before - 0.1 and times[i - 1] <= after + 0.1)
for i in range(max(at - 4, 0), min(at + 4, len(lines))):
    if i == at:
        print(f"       ... {gap * 1000:.1f} ms: the new cordon takes over ...")
    print("  ", lines[i][:105])
' "$before" "$after"

say "What happened"
cat <<TEXT
The process that has curl's connections, the sentry, was replaced by another
program while they carried data: everything was made quiet, saved, and handed
over by execve(). curl, nginx and the host's TCP noticed a pause, no more.
TEXT
echo "demo: ok"
