using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

/// <summary>Keeps what a state machine has to say.</summary>
internal sealed class RecordingOutbox : IOutbox
{
    public List<(Recipients To, Message Message)> Sent { get; } = [];

    public List<Observation> Observations { get; } = [];

    /// <summary>Answers what is asked of the store, at once; without it those messages are recorded like all
    /// others.</summary>
    public Action<Message>? Store { get; set; }

    public void Send(Recipients to, Message message)
    {
        if (to == Recipients.Store && Store is { } answer)
            answer(message);
        else
            Sent.Add((to, message));
    }

    /// <summary>What is to be loaded, and whether with rows.</summary>
    public List<(Restore Restore, bool Rows)> Loads { get; } = [];

    public void Load(Restore restore, bool rows) => Loads.Add((restore, rows));

    public void Observe(Observation observation) => Observations.Add(observation);

    public IReadOnlyList<T> All<T>() => [.. Sent.Select(s => s.Message).OfType<T>()];

    /// <summary>The one message that was sent since the last look, and nothing else.</summary>
    public T Only<T>()
        where T : Message
    {
        var (_, message) = Assert.Single(Sent);
        Sent.Clear();
        return Assert.IsType<T>(message);
    }

    public void AssertSilent() => Assert.Empty(Sent);
}
