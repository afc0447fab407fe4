// Two voices for a photo of two: put together as one stereo file, the left voice for the face on the left.
const HEADER = 44;

export async function together(left, right) {
  const context = new AudioContext({ sampleRate: 48000 });
  const sounds = await Promise.all([left, right].map(async (file) => mono(await context.decodeAudioData(await file.arrayBuffer()))));
  await context.close();
  const length = Math.max(...sounds.map((samples) => samples.length));
  const view = new DataView(new ArrayBuffer(HEADER + 4 * length));
  const put = (place, word) => [...word].forEach((letter, k) => view.setUint8(place + k, letter.charCodeAt(0)));
  put(0, "RIFF"), view.setUint32(4, 36 + 4 * length, true), put(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 2, true), view.setUint32(24, 48000, true), view.setUint32(28, 192000, true);
  view.setUint16(32, 4, true), view.setUint16(34, 16, true), put(36, "data"), view.setUint32(40, 4 * length, true);
  for (const [channel, samples] of sounds.entries())
    for (let k = 0; k < samples.length; k++)
      view.setInt16(HEADER + 4 * k + 2 * channel, 32767 * Math.max(-1, Math.min(1, samples[k])), true);
  return new File([view], "voices.wav", { type: "audio/wav" });
}

function mono(sound) {
  const mixed = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    const samples = sound.getChannelData(channel);
    for (let k = 0; k < mixed.length; k++) mixed[k] += samples[k] / sound.numberOfChannels;
  }
  return mixed;
}
