// Runs before the first paint: pages hide what works only with a script until this class is there.
document.documentElement.classList.add("has-script");
