/**
 * The image of the Apps of input.test.ts, made on the host from its busybox: a server of a page of shell that says what it was asked,
 * takes uploads of any size, gives 100 MB, and echoes over a websocket.
 */
import type { Host } from '../host.ts';
import { IMAGE, write } from './desk.ts';

/** One connection. The first byte of a body is still unread after the headers: busybox reads byte by byte. */
const serve = `#!/bin/sh
read -r method path rest
length=0 key=''
while read -r name value; do
  value=\${value%?}
  case $name in
    ?) break ;;
    [Cc]ontent-[Ll]ength:) length=$value ;;
    [Ss]ec-[Ww]eb[Ss]ocket-[Kk]ey:) key=$value ;;
  esac
done
case $path in
  /up)
    sum=$(head -c "$length" | sha256sum | cut -d' ' -f1)
    printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 64\\r\\n\\r\\n%s' "$sum" ;;
  /down)
    printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 104857600\\r\\n\\r\\n'
    dd if=/dev/zero bs=1M count=100 2>/dev/null ;;
  /ws)
    accept=$(printf '%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11' "$key" | sha1sum | cut -d' ' -f1 | xxd -r -p | base64)
    printf 'HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n'
    printf 'Sec-WebSocket-Accept: %s\\r\\n\\r\\n' "$accept"
    exec cat ;;
  *)
    echo "asked $method $path" >/proc/1/fd/1
    text="greeting=$GREETING"
    printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \${#text} "$text" ;;
esac
`;

const start = `#!/bin/sh
trap 'kill $server; exit 0' TERM INT
nc -ll -p 8080 -e /serve &
server=$!
echo "it starts"
wait $server
`;

export async function makeImage(host: Host): Promise<void> {
  const programs = 'sh cat nc head dd sha256sum sha1sum xxd base64 cut echo printf env stty sleep';
  await host.sh(`mkdir -p /root/image/bin
    cp /bin/busybox /root/image/bin/
    for name in ${programs}; do ln -sf busybox /root/image/bin/$name; done`);
  await write(host, '/root/image/serve', serve);
  await write(host, '/root/image/start', start);
  await host.sh(`chmod 755 /root/image/serve /root/image/start
    tar -C /root/image -c . | docker import -c 'CMD ["/start"]' -c 'ENV PATH=/bin' - ${IMAGE}`);
}
