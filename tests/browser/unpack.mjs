// Unpack the Chromium of the package, with the libraries and the fonts that it needs on a machine without any.
import { createReadStream, createWriteStream } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { arch, platform } from "node:process";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";

const packed = new URL("node_modules/@sparticuz/chromium/bin/", import.meta.url);
const unpacked = new URL("node_modules/.chromium/", import.meta.url);

function unpack(name, target) {
  return pipeline(createReadStream(new URL(name, packed)), createBrotliDecompress(), target);
}

if (platform === "linux" && arch === "x64") {
  await rm(unpacked, { force: true, recursive: true });
  for (const name of ["al2023.tar.br", "fonts.tar.br"]) await unpack(name, extract(unpacked.pathname));
  // The package's own configuration is for the folders of a Lambda function.
  const fonts = `<fontconfig><dir>${unpacked.pathname}fonts</dir><cachedir>${unpacked.pathname}cache</cachedir></fontconfig>`;
  await writeFile(new URL("fonts.conf", unpacked), fonts);
  await unpack("chromium.br", createWriteStream(new URL("chromium", unpacked), { mode: 0o755 }));
} else {
  console.log("The Chromium of npm is for Linux on x64. Here the tests need an installed one.");
}
