byId("main").append(diagram(JSON.parse(byId("data").textContent).diagram));
