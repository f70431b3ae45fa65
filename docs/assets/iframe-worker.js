// Browsers start no worker from a file: the theme's search then runs in a hidden frame of the page.
// The theme and its worker look for this name (Material for MkDocs, offline search).
"use strict";
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      this.window = frame.contentWindow;
      this.window.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }));
      const worker = this.window.document.createElement("script");
      worker.src = url;
      this.ready = new Promise((resolve, reject) => {
        worker.onload = resolve;
        worker.onerror = reject;
      });
      this.window.document.body.appendChild(worker);
    }

    postMessage(data) {
      this.ready.then(() => this.window.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
  window.Worker = window.IFrameWorker;
}
