/** Where the navigation is wider than the screen: begin at the page that is shown. */

const shown = document.querySelector(".top nav [aria-current]");
shown?.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
