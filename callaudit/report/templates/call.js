(function () {
  "use strict";
  var audio = document.querySelector("audio");
  var playhead = document.querySelector(".playhead");
  var lines = Array.prototype.slice.call(document.querySelectorAll(".line"));

  function ms(element, name) { return Number(element.getAttribute(name)); }

  function show(target) {
    var line = lines.filter(function (item) { return ms(item, "data-end") > target; })[0];
    if (line) { line.scrollIntoView({ block: "center", behavior: "smooth" }); }
  }

  document.addEventListener("click", function (event) {
    var place = event.target.closest("[data-seek]");
    if (!place) { return; }
    var target = ms(place, "data-seek");
    if (audio) {
      audio.currentTime = Math.max(0, target - 300) / 1000;
      audio.play();
    } else if (!place.closest(".talk")) {
      show(target);
    }
  });

  document.addEventListener("keydown", function (event) {
    if ((event.key === "Enter" || event.key === " ") && event.target.classList.contains("block")) {
      event.preventDefault();
      event.target.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    }
  });

  if (!audio) { return; }
  var left = ms(playhead, "data-left"), width = ms(playhead, "data-width"), whole = ms(playhead, "data-duration");

  function follow() {
    var now = audio.currentTime * 1000;
    var x = left + width * Math.min(1, now / whole);
    playhead.setAttribute("x1", x);
    playhead.setAttribute("x2", x);
    lines.forEach(function (line) {
      line.classList.toggle("now", !audio.paused && ms(line, "data-start") <= now + 300 && now < ms(line, "data-end"));
    });
    if (!audio.paused) { window.requestAnimationFrame(follow); }
  }
  ["play", "pause", "seeked", "timeupdate"].forEach(function (name) { audio.addEventListener(name, follow); });
})();
