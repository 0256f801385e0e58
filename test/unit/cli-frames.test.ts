import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CHANNEL, encodeFrame, FrameDecoder, parsePayload } from '../../controller/frames.ts';

test('frames come out as they went in, however the bytes were cut', () => {
  const sent: [number, string][] = [
    [CHANNEL.stdin, 'hello'],
    [CHANNEL.stdinClosed, ''],
    [CHANNEL.stdout, 'é'.repeat(1000)],
    [CHANNEL.exit, '{"exitCode":3}'],
  ];
  const bytes = Buffer.concat(sent.map(([channel, text]) => encodeFrame(channel, text)));
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const decoder = new FrameDecoder();
    const got: [number, string][] = [];
    for (let from = 0; from < bytes.length; from += size)
      for (const { channel, payload } of decoder.push(bytes.subarray(from, from + size)))
        got.push([channel, payload.toString()]);
    assert.equal(got, sent, `cut by ${size}`);
    assert.not.ok(decoder.isInside);
  }
});

test('a large payload is sent as several frames', () => {
  const payload = Buffer.alloc(2_500_000, 1);
  const frames = new FrameDecoder().push(encodeFrame(CHANNEL.stdout, payload));
  assert.equal(
    frames.map((frame) => frame.payload.length),
    [1_048_576, 1_048_576, 402_848],
  );
});

test('a peer that speaks something else is told', () => {
  assert.throws(
    () => new FrameDecoder().push(Buffer.from('HTTP/1.1 200 OK\r\n')),
    /does not speak holdfast-stream/,
  );
});

test('a cut frame is known', () => {
  const decoder = new FrameDecoder();
  assert.equal(decoder.push(encodeFrame(1, 'abc').subarray(0, 6)), []);
  assert.ok(decoder.isInside);
});

test('a payload that is no object is nothing', () => {
  assert.equal(parsePayload(Buffer.from('{"exitCode":0}')), { exitCode: 0 });
  assert.is(parsePayload(Buffer.from('5')), undefined);
  assert.is(parsePayload(Buffer.from('{')), undefined);
});

test.run();
