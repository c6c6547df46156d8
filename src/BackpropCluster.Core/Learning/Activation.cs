using System.Runtime.CompilerServices;
using BackpropCluster.Core.Learning.Vectors;

namespace BackpropCluster.Core.Learning;

/// <summary>φ, the function from net z to activation y.</summary>
public enum Activation
{
    Identity,
    Logistic,
    Tanh,
    Relu,
    Silu,
}

/// <summary>φ and φ′ side by side: whatever there is to say of an activation but its name in run files.</summary>
/// <remarks><code>
/// identity   y = z                 φ′ = 1
/// logistic   y = σ(z) = 1/(1 + e⁻ᶻ)    φ′ = y(1 − y)
/// tanh       y = tanh z            φ′ = 1 − y²
/// relu       y = max(z, 0)         φ′ = 1 where y > 0, else 0
/// silu       y = z·σ(z)            φ′ = σ(z)·(1 + z(1 − σ(z)))
/// </code>Where φ′ is written in terms of y, z need not be kept.</remarks>
public static class ActivationRules
{
    /// <summary>Whether φ′ is computed from the net; else from the activation alone.</summary>
    public static bool NeedsNet(this Activation activation) => activation is Activation.Silu;

    /// <summary>How many multiply-adds take as long as φ of one net: an exponential takes about thirty.</summary>
    public static int MultiplyAdds(this Activation activation) =>
        activation is Activation.Logistic or Activation.Tanh or Activation.Silu ? 32 : 1;

    /// <summary>y = φ(z).</summary>
    public static double Apply(this Activation activation, double z) => Apply<Lanes64, double>(activation, z);

    /// <summary>y = φ(z), element by element; both may be one array.</summary>
    public static void Apply(this Activation activation, ReadOnlySpan<double> z, Span<double> y) =>
        Kernels.Current.Activate(activation, z, y);

    /// <summary>φ′ at a net z whose activation is y.</summary>
    public static double Derivative(this Activation activation, double z, double y) =>
        Derivative<Lanes64, double>(activation, z, y);

    /// <summary>δ = s ⊙ φ′, element by element, in place: s comes in, δ goes out.</summary>
    /// <param name="activation">Which.</param>
    /// <param name="z">The nets; anything where <see cref="NeedsNet"/> says no.</param>
    /// <param name="y">Their activations.</param>
    /// <param name="delta">s, then δ.</param>
    public static void MultiplyByDerivative(
        this Activation activation,
        ReadOnlySpan<double> z,
        ReadOnlySpan<double> y,
        Span<double> delta
    ) => Kernels.Current.MultiplyByDerivative(activation, z, y, delta);

    /// <summary>φ of some nets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Apply<L, V>(Activation activation, V z)
        where L : struct, ILanes<V>
        where V : struct =>
        activation switch
        {
            Activation.Identity => z,
            Activation.Logistic => PortableMath.Logistic<L, V>(z),
            Activation.Tanh => PortableMath.Tanh<L, V>(z),
            // Not Max(z, 0): a NaN must stay one, or a diverged run would look healthy.
            Activation.Relu => L.IfLess(z, L.Create(0), L.Create(0), z),
            Activation.Silu => L.Multiply(z, PortableMath.Logistic<L, V>(z)),
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
        };

    /// <summary>φ′ at some nets and their activations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Derivative<L, V>(Activation activation, V z, V y)
        where L : struct, ILanes<V>
        where V : struct =>
        activation switch
        {
            Activation.Identity => L.Create(1),
            Activation.Logistic => L.Multiply(y, L.Subtract(L.Create(1), y)),
            Activation.Tanh => L.Fma(L.Negate(y), y, L.Create(1)),
            Activation.Relu => L.IfLess(L.Create(0), y, L.Create(1), L.Create(0)),
            Activation.Silu => SiluDerivative<L, V>(z),
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, null),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V SiluDerivative<L, V>(V z)
        where L : struct, ILanes<V>
        where V : struct
    {
        var s = PortableMath.Logistic<L, V>(z);
        return L.Multiply(s, L.Fma(z, L.Subtract(L.Create(1), s), L.Create(1)));
    }

    /// <summary>Runs a loop that is compiled for this activation alone: a choice within the loop would cost as much as
    /// the function.</summary>
    internal static void Run<TLoop>(Activation activation, ref TLoop loop)
        where TLoop : struct, IActivationLoop, allows ref struct
    {
        switch (activation)
        {
            case Activation.Identity:
                loop.Run<Identity>();
                break;
            case Activation.Logistic:
                loop.Run<Logistic>();
                break;
            case Activation.Tanh:
                loop.Run<Tanh>();
                break;
            case Activation.Relu:
                loop.Run<Relu>();
                break;
            case Activation.Silu:
                loop.Run<Silu>();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, null);
        }
    }

    private readonly struct Identity : IActivationKind
    {
        public static Activation Value => Activation.Identity;
    }

    private readonly struct Logistic : IActivationKind
    {
        public static Activation Value => Activation.Logistic;
    }

    private readonly struct Tanh : IActivationKind
    {
        public static Activation Value => Activation.Tanh;
    }

    private readonly struct Relu : IActivationKind
    {
        public static Activation Value => Activation.Relu;
    }

    private readonly struct Silu : IActivationKind
    {
        public static Activation Value => Activation.Silu;
    }
}

/// <summary>An activation as a type.</summary>
internal interface IActivationKind
{
    static abstract Activation Value { get; }
}

/// <summary>A loop over numbers that one activation makes of others.</summary>
internal interface IActivationLoop
{
    void Run<TKind>()
        where TKind : struct, IActivationKind;
}
